//! Why a command of a client has no answer, or not the one that it should have.

use std::fmt;

use mainspring::client;
use mainspring::proto::pipeline;

use super::Value;

/// What went wrong with a command.
#[derive(Debug)]
pub enum Error {
    /// The server has refused it, with these words.
    Refused(String),
    /// The server has answered with a value of another kind than the command has.
    Unexpected(Value),
    /// More commands in a batch than fit, which is the number here. None was sent.
    TooMany(usize),
    /// There is no answer.
    Failed(client::Error<Lost>),
}

/// The commands of a batch that a connection has not answered.
#[derive(Debug)]
pub struct Lost {
    pub(super) error: pipeline::Error,
    /// Whether nothing comes of sending the batch again: nothing of it was sent, or it changes nothing.
    pub(super) is_repeatable: bool,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Lost {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(words) => write!(f, "the server refused it: {words}"),
            Self::Unexpected(value) => write!(f, "the server answered what the command does not have: {value:?}"),
            Self::TooMany(count) => write!(f, "{count} commands are more than a batch may have"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<client::Error<Lost>> for Error {
    fn from(error: client::Error<Lost>) -> Self {
        Self::Failed(error)
    }
}
