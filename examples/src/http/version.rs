//! The version of a request, and why another one is refused (RFC 9112, section 2.3).

use super::Status;

/// A version that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// One request per connection unless asked otherwise, no chunks, no `Host` needed.
    Http10,
    /// The other way round.
    Http11,
}

impl Version {
    /// The version with this number behind `HTTP/1.`.
    pub(super) const fn minor(number: u8) -> Self {
        if number == 0 { Self::Http10 } else { Self::Http11 }
    }

    /// What is answered to a head whose version is not served: 505 if it is one at all.
    pub(super) fn refusal(head: &[u8]) -> Status {
        let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        match line.rsplit(|&byte| byte == b' ').next() {
            Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Status::VersionNotSupported
            }
            _ => Status::BadRequest,
        }
    }
}
