//! The head of a request: everything before its body, parsed and checked.
//!
//! `httparse` does the grammar of the request line and of header fields. What is checked here is what they mean together.

use std::mem::MaybeUninit;

use super::fields::Fields;
use super::framing::Framing;
use super::owed::{Owed, Persistence};
use super::version::Version;
use super::{Method, Request, Status, host, limits, target};

/// A head that can be served.
#[derive(Debug)]
pub(super) struct Head {
    /// The request, with an empty body.
    pub(super) request: Request,
    /// Where its body ends.
    pub(super) framing: Framing,
    /// The form of its response.
    pub(super) owed: Owed,
    /// Whether the peer wants to hear 100 before it sends the body.
    pub(super) expects_continue: bool,
}

impl Head {
    /// Parses `bytes`, which end with the empty line; otherwise says what to refuse it with.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let mut headers = [const { MaybeUninit::uninit() }; limits::FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Status::BadRequest),
            Err(httparse::Error::TooManyHeaders) => return Err(Status::HeaderFieldsTooLarge),
            Err(httparse::Error::Version) => return Err(Version::refusal(bytes)),
            Err(_) => return Err(Status::BadRequest),
        }
        let (Some(name), Some(whole_target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Status::BadRequest);
        };
        let version = Version::minor(minor);
        let fields = Fields::collect(parsed.headers)?;
        check_host(version, fields.host)?;
        let method = Method::parse(name)?;
        let target = target::path(whole_target, method)?;
        let framing = Framing::decide(version, method, fields.content_length, fields.transfer_encoding)?;
        let expects_continue = expects_continue(version, fields.expect)?;
        let content_type = fields.content_type.and_then(|value| std::str::from_utf8(value).ok());
        Ok(Self {
            request: Request {
                method,
                target: target.to_owned(),
                content_type: content_type.map(str::to_owned),
                accepts_html: fields.accepts_html,
                body: Vec::new(),
            },
            framing,
            owed: Owed { head_only: method == Method::Head, persistence: persistence(version, &fields) },
            expects_continue,
        })
    }
}

fn check_host(version: Version, value: Option<&[u8]>) -> Result<(), Status> {
    match value {
        Some(value) if host::is_valid(value) => Ok(()),
        None if version == Version::Http10 => Ok(()),
        _ => Err(Status::BadRequest),
    }
}

fn expects_continue(version: Version, value: Option<&[u8]>) -> Result<bool, Status> {
    match value {
        None => Ok(false),
        // An HTTP/1.0 peer would take the interim response for the final one.
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(version == Version::Http11),
        Some(_) => Err(Status::ExpectationFailed),
    }
}

const fn persistence(version: Version, fields: &Fields<'_>) -> Persistence {
    match version {
        _ if fields.close => Persistence::Closing,
        Version::Http11 => Persistence::Open,
        Version::Http10 if fields.keep_alive => Persistence::Granted,
        Version::Http10 => Persistence::Closing,
    }
}
