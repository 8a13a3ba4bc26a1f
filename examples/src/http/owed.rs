//! What a request asks of the form of its response.
//!
//! The codec keeps one for each request that has no response yet, in order, so neither services nor filters have to
//! carry it along.

/// What happens to the connection behind a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It goes on, as HTTP/1.1 has it.
    Open,
    /// It goes on because an HTTP/1.0 peer asked for it, and is told so.
    Granted,
    /// It closes.
    Closing,
}

/// The form of one response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    /// Set for `HEAD`: the body is left out, its length is not.
    pub(super) head_only: bool,
    /// What happens behind it.
    pub(super) persistence: Persistence,
}
