//! `mainspring-sys` beside mio and polling, as each of them is documented: one selector each, the same streams, the
//! same work.
//!
//! Three tables. System calls and instructions are counts, and ours are held to figures: system calls to the least
//! there is, instructions to mio's. Times follow, in one interleaved run. A wait is one system call whoever makes it,
//! so where the kernel is all there is, nobody can be ahead of anybody; what can be had is a wake that asks the kernel
//! only when somebody sleeps.
//!
//! How the selector came to have no more instructions than mio, for whoever changes it: the timeout is an enum that
//! fits into registers, else it is written to memory and read back around the waker's swap; registering is inline,
//! because interest and mode are constants at each call; an event keeps the kernel's flags, so that a look at one bit
//! is one test and not a lookup of all. Turned down there: taking the waker's record out in `select` rather than
//! skipping it, two instructions, while iterating. That needs to know whether it is in the batch, and an eventfd that
//! is never read does not say how many of its edges are still to come.
//!
//! kqueue is in no table: what could be compared is the number of `kevent` calls, and mio does not run on a double of
//! them.
mod chain;
mod counts;
mod mainspring;
mod mio;
mod nothing;
mod peer;
mod polling;
mod ready;
mod streams;
mod times;
mod wakes;
mod work;

use std::io;

use self::mainspring::Mainspring;
use self::mio::Mio;
use self::nothing::Nothing;
use self::peer::Peer;
use self::polling::{PollingEdge, PollingOneshot};
pub(crate) use self::work::Work;
use crate::report::Report;
use crate::verdict::Verdict;
use crate::versions;

/// In the order of the columns.
const PEERS: [&str; 4] = [Mainspring::NAME, Mio::NAME, PollingOneshot::NAME, PollingEdge::NAME];
/// Our column.
const OURS: usize = 0;
/// The column that ours is compared with.
const MIO: usize = 1;
/// No column: what the work costs without a selector.
const NOTHING: &str = Nothing::NAME;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) counts: counts::Size,
    pub(crate) times: times::Size,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size {
    counts: counts::Size { operations: [1_000, 5_000], peers: PEERS.len() },
    times: times::Size { rounds: 31, operations: 4_000, sources: 10_000 },
};

/// For a continuous build: the exact counts, of ourselves and of mio.
pub(crate) const QUICK: Size = Size {
    counts: counts::Size { operations: [500, 2_500], peers: MIO + 1 },
    times: times::Size { rounds: 3, operations: 1_000, sources: 1_000 },
};

/// Prints the tables.
pub(crate) fn run(size: Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    let processors = mainspring_sys::processors();
    println!("{}; {processors} processors\n", versions::of(&["mainspring-sys", "mio", "polling"]));
    counts::system_calls(size.counts, verdict, report)?;
    counts::instructions(size.counts, verdict, report)?;
    times::run(size.times, report)
}

/// The command `select`: what is counted.
pub(crate) fn select(peer: &str, work: Work, count: usize) -> io::Result<()> {
    let run = match peer {
        Mainspring::NAME => Work::run::<Mainspring>,
        Mio::NAME => Work::run::<Mio>,
        PollingOneshot::NAME => Work::run::<PollingOneshot>,
        PollingEdge::NAME => Work::run::<PollingEdge>,
        NOTHING => Work::run::<Nothing>,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{peer:?} is none of {PEERS:?}"))),
    };
    run(work, count).map(drop)
}
