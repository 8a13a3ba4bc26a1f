//! What is measured: a style, alone or on the threads of a server.
//!
//! The rows of the tables that count per request. Alone it has one reactor and nothing around it; on two threads a
//! request must cost what it costs on one. Each thread has as many connections as a reactor alone, since the cost of a
//! select is shared among the requests that it finds.

use std::fmt;

use mainspring::server::Sharing;

use super::{Threads, Way};
use crate::style::Style;

/// A server that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) style: Style,
    /// Those of a `Server`; none for a reactor of its own.
    pub(crate) threads: Option<Threads>,
}

impl Served {
    /// A style on one reactor.
    pub(crate) const fn alone(style: Style) -> Self {
        Self { style, threads: None }
    }

    /// Futures on the threads of a server.
    pub(crate) const fn on(count: usize, sharing: Sharing) -> Self {
        Self { style: Style::Async, threads: Some(Threads { count, way: Way(sharing) }) }
    }

    /// How many threads it has.
    pub(crate) fn threads(self) -> usize {
        self.threads.map_or(1, |threads| threads.count)
    }

    /// All of them: the styles alone, the floor first, and futures on one thread of a server and on two.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let alone = Style::ALL.into_iter().map(Self::alone);
        alone.chain([1, 2].map(|count| Self::on(count, Sharing::HandOff)))
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.threads {
            None => write!(f, "{}", self.style),
            Some(Threads { count: 1, .. }) => write!(f, "{}, server on 1 thread", self.style),
            Some(Threads { count, way }) => write!(f, "{}, server on {count} threads, {way}", self.style),
        }
    }
}
