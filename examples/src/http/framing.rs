//! Where the body of a request ends: the one place that decides (RFC 9112, section 6.3).
//!
//! Request smuggling is two parsers with two answers to this question. So everything with two readings is refused, also
//! where the RFC allows to prefer one.

use super::version::Version;
use super::{Method, Status, limits};

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes, at least 1 and at most the limit.
    Length(usize),
    /// Chunks, each with its size.
    Chunked,
}

impl Framing {
    /// Decides by the values of `Content-Length` and `Transfer-Encoding`.
    #[inline]
    pub(super) fn decide(
        version: Version,
        method: Method,
        length: Option<&[u8]>,
        coding: Option<&[u8]>,
    ) -> Result<Self, Status> {
        match (length, coding) {
            (Some(_), Some(_)) => Err(Status::BadRequest),
            (None, Some(_)) if version == Version::Http10 => Err(Status::BadRequest),
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Self::Chunked),
            (None, Some(_)) => Err(Status::NotImplemented),
            (Some(length), None) => Self::by_length(length),
            (None, None) if method.has_body() => Err(Status::LengthRequired),
            (None, None) => Ok(Self::Empty),
        }
    }

    fn by_length(value: &[u8]) -> Result<Self, Status> {
        // Why by hand: `parse` takes a sign as well.
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Status::BadRequest);
        }
        let length: Option<usize> = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        match length {
            Some(0) => Ok(Self::Empty),
            Some(length) if length <= limits::BODY => Ok(Self::Length(length)),
            // Too many digits for a number are too many bytes for a body.
            _ => Err(Status::ContentTooLarge),
        }
    }
}
