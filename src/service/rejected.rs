//! Why a filter did not let a call through.
//!
//! The one error of all filters that admit: limits, breakers, shedding, balancing. A service behind such a filter fails
//! with an error that converts from it, `S::Error: From<Rejected>`, as `io::Error` does.
//!
//! Guarantees: a call that was rejected has not reached what is inside of the filter, so it can be made again
//! elsewhere, whatever it does. That is what [`Cautious`](super::Cautious) goes by. It says so of that filter alone:
//! what was done before, by whoever called it, is done.
//!
//! The trade-off: one type with reasons, not one per filter. Whoever handles them does the same with all, and an error
//! enum needs one conversion for a stack of any filters.
use std::error::Error;
use std::fmt;
use std::io;

/// A filter has not let a call through: what is inside was not called.
///
/// Converts into an [`io::Error`] of kind [`ResourceBusy`](io::ErrorKind::ResourceBusy).
///
/// ```
/// use mainspring::service::Rejected;
///
/// let error = std::io::Error::from(Rejected::Full);
/// assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
/// assert_eq!(error.to_string(), "the call was rejected: as many are in flight and wait as may");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejected {
    /// As many calls are in flight, and as many wait, as may.
    Full,
    /// Too many calls in too short a time.
    TooFast,
    /// The service is not open, and the call was not to wait for that.
    Shed,
    /// The service has failed lately, and it is not yet time to try it again.
    Down,
    /// There is no endpoint to send it to.
    NoEndpoint,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call was rejected: ")?;
        f.write_str(match self {
            Self::Full => "as many are in flight and wait as may",
            Self::TooFast => "too many in too short a time",
            Self::Shed => "the service is not open",
            Self::Down => "the service has failed lately",
            Self::NoEndpoint => "there is no endpoint",
        })
    }
}

impl Error for Rejected {}

impl From<Rejected> for io::Error {
    fn from(rejected: Rejected) -> Self {
        Self::new(io::ErrorKind::ResourceBusy, rejected)
    }
}
