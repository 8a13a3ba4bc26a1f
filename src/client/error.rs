//! Why a call of a client failed: before it reached a connection, or on it.
//!
//! What fails on a connection is an error of the protocol, which the client hands on as it is; what fails before is
//! told apart from it by a variant, since it can be made again whatever it does. That is what
//! [`NotDone`](super::NotDone) goes by.
//!
//! Guarantees: [`Rejected`](Error::Rejected), [`Connect`](Error::Connect) and [`ConnectUnix`](Error::ConnectUnix) have
//! sent nothing; the error of the system keeps its raw code, and is the `source` where another puts it in words.
//!
//! The trade-off: a type of its own around the error of the protocol. To ask of that for conversions from all that a
//! client adds would shut out errors of other crates, and could not say which of them was sent.
use std::convert::Infallible;
use std::error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::attempted::again;
use crate::service::Rejected;
use crate::time::Elapsed;

/// Why a call of a [`Client`](super::Client) failed; `E` is the error of its protocol.
///
/// Converts into an [`io::Error`], of the kind of what it is about.
///
/// ```
/// use mainspring::client::Error;
/// use mainspring::service::Rejected;
///
/// let error: Error<std::fmt::Error> = Rejected::NoEndpoint.into();
/// assert_eq!(error.to_string(), "the call was rejected: there is no endpoint");
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::ResourceBusy);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// It was not let through: all connections are in use and as many calls wait as may, the endpoint has failed
    /// lately, or there is none.
    Rejected(Rejected),
    /// There was no connection to be had to this address, in time or at all.
    Connect(SocketAddr, io::Error),
    /// There was no connection to be had to the Unix socket at this path, in time or at all.
    ConnectUnix(PathBuf, io::Error),
    /// It took too long, an attempt or the whole: it may have been done.
    Elapsed(Elapsed),
    /// The call itself failed.
    Call(E),
}

impl Error<Infallible> {
    /// The same of a call that was not made yet.
    pub(super) fn before<E>(self) -> Error<E> {
        match self {
            Self::Rejected(rejected) => Error::Rejected(rejected),
            Self::Connect(address, error) => Error::Connect(address, error),
            Self::ConnectUnix(path, error) => Error::ConnectUnix(path, error),
            Self::Elapsed(elapsed) => Error::Elapsed(elapsed),
            Self::Call(never) => match never {},
        }
    }

    /// The same once more, for another call that has waited for the same.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Rejected(rejected) => Self::Rejected(*rejected),
            Self::Connect(address, error) => Self::Connect(*address, again(error)),
            Self::ConnectUnix(path, error) => Self::ConnectUnix(path.clone(), again(error)),
            Self::Elapsed(elapsed) => Self::Elapsed(*elapsed),
            Self::Call(never) => match *never {},
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Connect(address, error) => write!(f, "cannot connect to {address}: {error}"),
            Self::ConnectUnix(path, error) => write!(f, "cannot connect to {}: {error}", path.display()),
            Self::Elapsed(elapsed) => elapsed.fmt(f),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Connect(_, error) | Self::ConnectUnix(_, error) => Some(error),
            Self::Elapsed(elapsed) => Some(elapsed),
            Self::Call(error) => Some(error),
        }
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E> From<Elapsed> for Error<E> {
    fn from(elapsed: Elapsed) -> Self {
        Self::Elapsed(elapsed)
    }
}

impl<E: error::Error + Send + Sync + 'static> From<Error<E>> for io::Error {
    fn from(error: Error<E>) -> Self {
        match error {
            Error::Rejected(rejected) => rejected.into(),
            Error::Connect(_, ref cause) | Error::ConnectUnix(_, ref cause) => Self::new(cause.kind(), error),
            Error::Elapsed(elapsed) => elapsed.into(),
            Error::Call(error) => Self::other(error),
        }
    }
}
