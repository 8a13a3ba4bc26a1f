//! An answer as it is passed on.

use super::super::Response;
use super::super::owed::{Owed, Persistence};
use super::fields;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// By a server, and passed on.
    Passed(Passed),
    /// By the proxy itself.
    Own(Response),
}

/// A whole answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its code.
    pub status: u16,
    /// Whether the server closes its connection behind it.
    pub is_last: bool,
    /// The words behind the code.
    pub(super) reason: String,
    /// The fields that are passed on, each with its end of line.
    pub(super) fields: Vec<u8>,
    /// The length that the server has said, if it has, for an answer that has no body.
    pub(super) length: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Passed {
    /// Appends it to `output` in the form that is `owed`.
    pub(super) fn write(&self, owed: Owed, output: &mut Vec<u8>) {
        output.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", self.status, self.reason).as_bytes());
        output.extend_from_slice(&self.fields);
        let is_empty = owed.head_only || self.status == 304;
        match &self.length {
            _ if self.status == 204 => {}
            Some(length) if is_empty => fields::write_one("Content-Length", &[length.as_bytes()], output),
            None if is_empty => {}
            _ => fields::write_one("Content-Length", &[self.body.len().to_string().as_bytes()], output),
        }
        fields::write_one("Via", &[b"1.1 mainspring"], output);
        output.extend_from_slice(match owed.persistence {
            Persistence::Open => b"\r\n",
            Persistence::Granted => b"Connection: keep-alive\r\n\r\n",
            Persistence::Closing => b"Connection: close\r\n\r\n",
        });
        if !is_empty && self.status != 204 {
            output.extend_from_slice(&self.body);
        }
    }
}
