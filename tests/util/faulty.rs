//! One run of a service over an operating system that fails by plan, and what came of it.
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mainspring::net::TcpListener;
use mainspring::{Reactor, Stats};
use mainspring_sys::faults::{Fault, Plan};

use super::peers::{self, PEERS, Seen};
use super::runtime::{Limit, open_descriptors, stats, until};
use super::services::{Ends, Style, serve};

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the reactor returned.
    pub(crate) run: io::Result<()>,
    /// What ended the listener.
    pub(crate) listener: Option<io::Error>,
    /// How the connections ended on the service's side; those of a reactor that failed are not there.
    pub(crate) ends: Vec<io::Result<()>>,
    /// How they ended on the clients' side.
    pub(crate) seen: Vec<Seen>,
    /// What the reactor has done.
    pub(crate) stats: Stats,
    /// How often each fault struck.
    pub(crate) hits: Vec<u64>,
    /// How many system calls there were until all clients were done.
    pub(crate) calls: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Outcome {
    /// How many clients saw such an end.
    pub(crate) fn count(&self, seen: Seen) -> usize {
        self.seen.iter().filter(|&&other| other == seen).count()
    }

    /// The codes by which connections failed on the service's side.
    pub(crate) fn failures(&self) -> Vec<i32> {
        self.ends.iter().filter_map(|end| end.as_ref().err()).map(|error| error.raw_os_error().unwrap_or(0)).collect()
    }
}

/// Serves all peers in the style, while the faults strike on this thread, from the first accept on.
///
/// What must be so whatever fails is looked at here: nothing is left open or armed, nobody panics.
pub(crate) fn run(style: Style, faults: &[Fault]) -> Outcome {
    let _limit = Limit::new();
    let start = Instant::now();
    let reactor = Reactor::new().expect("a reactor");
    let open = open_descriptors();
    let ends = Ends::default();
    let (mut clients, mut plan, mut listener_error, mut calls) = (None, None, None, 0);
    let run = reactor.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let plan = plan.insert(Plan::new(faults.iter().copied()));
        let (done, all_done) = mainspring::channel::oneshot::channel();
        let peers = peers::start(style.protocol(), address);
        clients = Some(std::thread::spawn(move || {
            let seen = peers.join();
            // The reactor may have failed.
            let _ = done.send(());
            seen.expect("no client panics")
        }));
        let accepting = mainspring::spawn(serve(style, listener, Rc::clone(&ends)));
        all_done.await.expect("the clients end");
        calls = plan.calls_of_any_kind();
        if accepting.is_finished() {
            listener_error = accepting.await.ok();
        } else {
            accepting.abort();
            assert!(accepting.await.is_err());
        }
        // A try that was put off may still stand in the wheel, for a moment; a deadline would stand there for minutes.
        until(|| stats().tasks == 0 && stats().timers == 0).await;
        assert_eq!((stats().sources, stats().waits), (0, 0), "something is left in the reactor");
    });
    let stats = reactor.stats();
    drop(reactor);
    let seen = clients.take().expect("they were started").join().expect("the clients ended");
    let hits = plan.take().map(|plan| plan.hits()).unwrap_or_default();
    assert_eq!(seen.len(), PEERS);
    assert_eq!(stats.panics, 0, "something panicked");
    assert_eq!(open_descriptors(), open, "a descriptor was left open");
    let ends = Rc::try_unwrap(ends).expect("no task is left").into_inner();
    Outcome { run, listener: listener_error, ends, seen, stats, hits, calls, took: start.elapsed() }
}
