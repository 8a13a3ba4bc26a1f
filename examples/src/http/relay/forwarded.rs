//! A request as it is passed on.

use std::net::IpAddr;

use httparse::EMPTY_HEADER;

use super::super::{Method, Request, limits, target};
use super::fields;

/// A whole request of a client, in the form in which a server gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// What is asked to be done.
    pub method: Method,
    /// Path and query, as they were sent.
    pub target: String,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

impl Forwarded {
    /// Of a `request` with this `head`, which has been parsed already, and came from `client`.
    pub(super) fn new(request: Request, head: &[u8], client: IpAddr) -> Self {
        let mut headers = [EMPTY_HEADER; limits::FIELDS];
        let mut parsed = httparse::Request::new(&mut headers);
        // Why ignored: the codec has parsed it, and what cannot be parsed has no fields to pass on.
        let _ = parsed.parse(head);
        let headers = &*parsed.headers;

        let mut bytes = Vec::with_capacity(head.len().saturating_add(request.body.len()).saturating_add(64));
        bytes.extend_from_slice(request.method.name().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(request.target.as_bytes());
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        fields::write(headers, &mut bytes);
        // That of the target goes before (RFC 9112, section 3.2.2). HTTP/1.0 needs none, and HTTP/1.1 does.
        let asked = parsed.path.and_then(target::authority).map(str::as_bytes);
        let named = headers.iter().find(|header| header.name.eq_ignore_ascii_case("host")).map(|header| header.value);
        fields::write_one("Host", &[asked.or(named).unwrap_or(b"localhost")], &mut bytes);
        fields::write_one("X-Forwarded-For", &[client.to_string().as_bytes()], &mut bytes);
        fields::write_one("Via", &[b"1.1 mainspring"], &mut bytes);
        if !request.body.is_empty() || request.method.has_body() {
            fields::write_one("Content-Length", &[request.body.len().to_string().as_bytes()], &mut bytes);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        Self { method: request.method, target: request.target, bytes }
    }
}
