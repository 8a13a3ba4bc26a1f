//! Why a call has failed: on the server, and as its caller sees it.

use std::fmt;

use mainspring::proto::multiplex;
use mainspring::service::{Class, Rejected};
use mainspring::time::Elapsed;

use super::wire::Wire;

/// What a server says of a call that it could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What was called has failed, and says why.
    Failed(String),
    /// There is no such method.
    Unknown,
    /// The request is none of that method.
    Malformed,
    /// Its time was over.
    Late,
}

impl Wire for Failure {
    fn put(&self, output: &mut Vec<u8>) {
        match self {
            Self::Failed(text) => {
                output.push(0);
                text.put(output);
            }
            Self::Unknown => output.push(1),
            Self::Malformed => output.push(2),
            Self::Late => output.push(3),
        }
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(input)? {
            0 => Self::Failed(String::take(input)?),
            1 => Self::Unknown,
            2 => Self::Malformed,
            3 => Self::Late,
            _ => return None,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => f.write_str(text),
            Self::Unknown => f.write_str("the server has no such method"),
            Self::Malformed => f.write_str("the server does not understand the request"),
            Self::Late => f.write_str("the time of the call was over"),
        }
    }
}

/// Why a call has failed.
#[derive(Debug)]
pub enum Error {
    /// It was carried out, and failed.
    Failed(Failure),
    /// Its time was over here: whether it was carried out is not known.
    Elapsed(Elapsed),
    /// A filter here has not let it through.
    Rejected(Rejected),
    /// The connection, or the server's limit; says whether it may be made again.
    Connection(multiplex::Error),
    /// The answer, or an item, is none of that method.
    Malformed,
}

impl Error {
    /// Whether it was not begun, so that it may be made again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(_) => true,
            Self::Connection(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// What results mean to the crate's filters: a call that was not begun may be made again, one that has failed by
    /// itself says nothing of the server.
    pub fn classify<T>(result: &Result<T, Self>) -> Class {
        match result {
            Ok(_) | Err(Self::Failed(Failure::Failed(_))) => Class::Success,
            Err(error) if error.is_retryable() => Class::Retryable,
            Err(_) => Class::Failure,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Elapsed(elapsed) => elapsed.fmt(f),
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Malformed => f.write_str("the answer is none of the method that was called"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Elapsed> for Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::Elapsed(elapsed)
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<multiplex::Error> for Error {
    fn from(error: multiplex::Error) -> Self {
        Self::Connection(error)
    }
}
