//! The header fields that the protocol itself goes by.

use httparse::Header;

use super::Status;

/// What a browser accepts that asks for a page, and a tool does not that takes anything.
const HTML: &[u8] = b"text/html";

/// Their values, with the white space around them gone. One that may stand only once and stands twice is refused.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) content_length: Option<&'a [u8]>,
    pub(super) transfer_encoding: Option<&'a [u8]>,
    pub(super) content_type: Option<&'a [u8]>,
    pub(super) expect: Option<&'a [u8]>,
    /// Set by `text/html` in any `Accept` field.
    pub(super) accepts_html: bool,
    /// Set by `close` in any `Connection` field.
    pub(super) close: bool,
    /// Set by `keep-alive` in any `Connection` field.
    pub(super) keep_alive: bool,
}

impl<'a> Fields<'a> {
    /// Picks them out of all header fields of a head.
    #[inline]
    pub(super) fn collect(headers: &[Header<'a>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for header in headers {
            let place = if header.name.eq_ignore_ascii_case("host") {
                &mut fields.host
            } else if header.name.eq_ignore_ascii_case("content-length") {
                &mut fields.content_length
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                &mut fields.transfer_encoding
            } else if header.name.eq_ignore_ascii_case("content-type") {
                &mut fields.content_type
            } else if header.name.eq_ignore_ascii_case("expect") {
                &mut fields.expect
            } else if header.name.eq_ignore_ascii_case("connection") {
                fields.connection(header.value);
                continue;
            } else if header.name.eq_ignore_ascii_case("accept") {
                fields.accepts_html |= header.value.windows(HTML.len()).any(|part| part.eq_ignore_ascii_case(HTML));
                continue;
            } else {
                continue;
            };
            if place.replace(header.value).is_some() {
                return Err(Status::BadRequest);
            }
        }
        Ok(fields)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}
