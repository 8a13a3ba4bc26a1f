//! What is done with each selector: the rows of the tables, and the words on the command line of `select`.
//!
//! The same work is timed in this process and counted in another, under a tool, so the counts are those of what is
//! timed. A work makes its own selector and sources, does so many operations, and says how long those took; making and
//! closing is in no time, and in no count either, since a count is a slope.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::streams::Streams;
use super::{chain, ready, wakes};

/// One kind of work.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Work {
    /// A select that finds nothing and does not wait.
    Look,
    /// Selects that find `ready` of `of` sources; counted by event.
    Ready { ready: usize, of: usize },
    /// A chain of sources with so many bytes under way; counted by event.
    Chain { sources: usize, active: usize },
    /// A source is registered and deregistered.
    Register,
    /// A wake while one is pending.
    WakePending,
    /// A wake and then a wait, on one thread.
    WakeBefore,
    /// A wake from another thread, until the wait returns.
    WakeAcross,
    /// A wake, one of many from four threads.
    WakeStorm,
}

impl Work {
    /// Does it `count` times with a new selector, and says how long that took.
    pub(super) fn run<P: Peer>(self, count: usize) -> io::Result<Duration> {
        match self {
            Self::Look => look::<P>(count),
            Self::Ready { ready, of } => ready::run::<P>(ready, of, count),
            Self::Chain { sources, active } => chain::run::<P>(sources, active, count),
            Self::Register => register::<P>(count),
            Self::WakePending => wakes::pending::<P>(count),
            Self::WakeBefore => wakes::before_a_wait::<P>(count),
            Self::WakeAcross => wakes::across::<P>(count),
            Self::WakeStorm => wakes::storm::<P>(count),
        }
    }

    /// The most descriptors that it has open at a time, but for a handful.
    pub(super) fn descriptors(self) -> usize {
        match self {
            Self::Ready { of: sources, .. } | Self::Chain { sources, .. } => sources,
            _ => 0,
        }
    }

    /// As the tables have it.
    pub(super) fn title(self) -> String {
        match self {
            Self::Look => "select, nothing there".to_owned(),
            Self::Ready { ready: 1, of } => format!("select, 1 of {of} ready"),
            Self::Ready { ready, of } => format!("select, {ready} of {of} ready, per event"),
            Self::Chain { sources, active } => format!("chain of {sources}, {active} active, per event"),
            Self::Register => "register and deregister".to_owned(),
            Self::WakePending => "wake, one pending".to_owned(),
            Self::WakeBefore => "wake, then wait".to_owned(),
            Self::WakeAcross => "wake from another thread, until the wait returns".to_owned(),
            Self::WakeStorm => "wake storm from 4 threads, per wake".to_owned(),
        }
    }
}

/// Selects with a timeout of zero, one source registered.
fn look<P: Peer>(count: usize) -> io::Result<Duration> {
    let mut peer = P::new(1)?;
    let streams = Streams::register(&mut peer, 1)?;
    let mut found = 0;
    let start = Instant::now();
    for _ in 0..count {
        peer.select(Some(Duration::ZERO), |_, _| found += 1)?;
    }
    let elapsed = start.elapsed();
    streams.deregister(&mut peer)?;
    if found == 0 { Ok(elapsed) } else { Err(io::Error::other(format!("found {found} events, and nothing is ready"))) }
}

/// Registers and deregisters one source.
fn register<P: Peer>(count: usize) -> io::Result<Duration> {
    let mut peer = P::new(1)?;
    let (mut stream, _other) = UnixStream::pair()?;
    let start = Instant::now();
    for _ in 0..count {
        let source = peer.register(stream, 0)?;
        stream = peer.deregister(source)?;
    }
    Ok(start.elapsed())
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look => f.write_str("look"),
            Self::Ready { ready, of } => write!(f, "ready/{ready}/{of}"),
            Self::Chain { sources, active } => write!(f, "chain/{sources}/{active}"),
            Self::Register => f.write_str("register"),
            Self::WakePending => f.write_str("wake-pending"),
            Self::WakeBefore => f.write_str("wake-before"),
            Self::WakeAcross => f.write_str("wake-across"),
            Self::WakeStorm => f.write_str("wake-storm"),
        }
    }
}

impl FromStr for Work {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = word.split('/').collect();
        let number = |part: &str| part.parse().ok().filter(|&number: &usize| number > 0).ok_or("a number is missing");
        Ok(match parts[..] {
            ["look"] => Self::Look,
            ["ready", ready, of] => Self::Ready { ready: number(ready)?, of: number(of)? },
            ["chain", sources, active] => Self::Chain { sources: number(sources)?, active: number(active)? },
            ["register"] => Self::Register,
            ["wake-pending"] => Self::WakePending,
            ["wake-before"] => Self::WakeBefore,
            ["wake-across"] => Self::WakeAcross,
            ["wake-storm"] => Self::WakeStorm,
            _ => return Err("it is no work"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_is_read_as_it_is_written() {
        let all = [
            Work::Look,
            Work::Ready { ready: 3, of: 100 },
            Work::Chain { sources: 1000, active: 10 },
            Work::Register,
            Work::WakePending,
            Work::WakeBefore,
            Work::WakeAcross,
            Work::WakeStorm,
        ];
        for work in all {
            assert_eq!(work.to_string().parse(), Ok(work));
        }
    }
}
