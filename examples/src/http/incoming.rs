//! What arrives on a connection: requests, and what has to be answered without being one.

use super::{Request, Status};

/// An item of the decoder. Each wants exactly one response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole request.
    Request(Request),
    /// The peer wants to hear 100 before it sends a body (RFC 9110, section 10.1.1). The request follows.
    Continue,
    /// No request, or one that cannot be served. Nothing follows, and the connection closes behind the response.
    Refused(Status),
}
