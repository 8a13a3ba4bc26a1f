//! The ways in which the same echo is written.
//!
//! Named on the command line of `serve`, and the rows of most tables. The loop is the floor that the others are
//! compared with; the other two are what a user of Mainspring writes. Other libraries are no styles here: what they
//! need is built in members of their own, so that these counts need nothing but the core.

use std::fmt;
use std::str::FromStr;

/// How a server is written. All three answer the same bytes with a buffer of the same size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// By hand, on `mainspring-sys` alone: the floor.
    Loop,
    /// As tick tasks of Mainspring.
    Tick,
    /// As futures on Mainspring.
    Async,
}

impl Style {
    /// All of them, the floor first.
    pub(crate) const ALL: [Self; 3] = [Self::Loop, Self::Tick, Self::Async];

    /// Its name on the command line and in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Tick => "tick",
            Self::Async => "async",
        }
    }
}

impl FromStr for Style {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|style| style.name() == name).ok_or("a style is loop, tick or async")
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
