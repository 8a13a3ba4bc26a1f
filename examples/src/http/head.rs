//! The head of a request: everything before its body, parsed and checked.
//!
//! `httparse` does the grammar of the request line and of header fields. What is checked here is what they mean
//! together.
//!
//! Nearly all heads arrive whole, so what arrives is parsed first, and searched for the end of the head only if that
//! fails: the search goes on where it stopped, which a parser does not.

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
    /// The head at the front of `arrived`, and where it ends. None if it is not whole, or there is anything against it
    /// that the lines themselves say.
    #[inline]
    pub(super) fn at_front(arrived: &[u8]) -> Option<(Result<Self, Status>, usize)> {
        let bytes = arrived.get(..limits::HEAD).unwrap_or(arrived);
        let mut headers = [const { MaybeUninit::uninit() }; limits::FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(end)) if !has_bare_line_feed(bytes.get(..end)?) => {
                Some((Self::of(&parsed), end))
            }
            _ => None,
        }
    }

    /// Parses `bytes`, which end with the empty line; otherwise says what to refuse it with.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let mut headers = [const { MaybeUninit::uninit() }; limits::FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => Self::of(&parsed),
            Ok(_) => Err(Status::BadRequest),
            Err(httparse::Error::TooManyHeaders) => Err(Status::HeaderFieldsTooLarge),
            Err(httparse::Error::Version) => Err(Version::refusal(bytes)),
            Err(_) => Err(Status::BadRequest),
        }
    }

    /// What the parts mean.
    #[inline]
    fn of(parsed: &httparse::Request<'_, '_>) -> Result<Self, Status> {
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

/// Whether a line ends with LF alone. Without an early end, since a processor looks at many bytes at a time then.
#[inline]
fn has_bare_line_feed(lines: &[u8]) -> bool {
    let pairs = lines.iter().zip(lines.get(1..).unwrap_or_default());
    let inside = pairs.fold(false, |found, (before, byte)| found | ((*byte == b'\n') & (*before != b'\r')));
    inside || lines.starts_with(b"\n")
}

#[inline]
fn check_host(version: Version, value: Option<&[u8]>) -> Result<(), Status> {
    match value {
        Some(value) if host::is_valid(value) => Ok(()),
        None if version == Version::Http10 => Ok(()),
        _ => Err(Status::BadRequest),
    }
}

#[inline]
fn expects_continue(version: Version, value: Option<&[u8]>) -> Result<bool, Status> {
    match value {
        None => Ok(false),
        // An HTTP/1.0 peer would take the interim response for the final one.
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(version == Version::Http11),
        Some(_) => Err(Status::ExpectationFailed),
    }
}

#[inline]
const fn persistence(version: Version, fields: &Fields<'_>) -> Persistence {
    match version {
        _ if fields.close => Persistence::Closing,
        Version::Http11 => Persistence::Open,
        Version::Http10 if fields.keep_alive => Persistence::Granted,
        Version::Http10 => Persistence::Closing,
    }
}
