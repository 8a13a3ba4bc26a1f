//! A response, and its form on the wire.

use std::borrow::Cow;

use super::owed::{Owed, Persistence};
use super::{Status, date};

/// The most digits of a length.
const DIGITS: usize = 20;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub struct Response {
    status: Status,
    content_type: Cow<'static, str>,
    body: Cow<'static, [u8]>,
    /// A header field beside those that each response has.
    field: Option<(&'static str, &'static str)>,
    /// Whether its body goes on until the connection closes.
    open: bool,
}

impl Response {
    /// 200 with a body. A `content_type` that cannot stand in a header field is sent as `application/octet-stream`.
    pub fn ok(content_type: impl Into<Cow<'static, str>>, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let mut content_type = content_type.into();
        if !content_type.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
            content_type = Cow::Borrowed("application/octet-stream");
        }
        Self { status: Status::Ok, content_type, body: body.into(), field: None, open: false }
    }

    /// 200 with a body that is sent by whoever has the connection next, and ends with it. It is the last response
    /// there.
    #[must_use]
    pub fn open(content_type: &'static str) -> Self {
        Self { open: true, ..Self::ok(content_type, b"".as_slice()) }.with_field("Cache-Control", "no-store")
    }

    /// The same response with this header field, in place of one that it was given before.
    #[must_use]
    pub const fn with_field(mut self, name: &'static str, value: &'static str) -> Self {
        self.field = Some((name, value));
        self
    }

    /// 200 with a text.
    pub const fn text(text: &'static str) -> Self {
        Self::plain(Status::Ok, text)
    }

    /// A status, and its own text for a body.
    pub const fn of(status: Status) -> Self {
        Self::plain(status, status.text())
    }

    /// 405, with the methods that are allowed.
    pub const fn method_not_allowed(allow: &'static str) -> Self {
        Self::of(Status::MethodNotAllowed).with_field("Allow", allow)
    }

    /// Its status.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Whether its body goes on until the connection closes.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it comes before the response itself and has no body.
    pub(super) const fn is_interim(&self) -> bool {
        matches!(self.status, Status::Continue)
    }

    const fn plain(status: Status, text: &'static str) -> Self {
        let (content_type, body) = (Cow::Borrowed("text/plain"), Cow::Borrowed(text.as_bytes()));
        Self { status, content_type, body, field: None, open: false }
    }

    /// Appends its head to `output` in the form that is `owed`, and gives back the body that follows; an interim one
    /// owes nothing.
    #[inline]
    pub(super) fn write(self, owed: Owed, output: &mut Vec<u8>) -> Cow<'static, [u8]> {
        match self.status {
            // Nearly all of them, and in one piece.
            Status::Ok => output.extend_from_slice(b"HTTP/1.1 200 OK"),
            status => {
                output.extend_from_slice(b"HTTP/1.1 ");
                output.extend_from_slice(status.text().as_bytes());
            }
        }
        if !self.open {
            output.extend_from_slice(b"\r\nContent-Length: ");
            decimal(self.body.len(), output);
        }
        output.extend_from_slice(b"\r\nContent-Type: ");
        output.extend_from_slice(self.content_type.as_bytes());
        date::write(output);
        output.extend_from_slice(match owed.persistence {
            Persistence::Open => b"",
            Persistence::Granted => b"Connection: keep-alive\r\n",
            Persistence::Closing => b"Connection: close\r\n",
        });
        if let Some((name, value)) = self.field {
            for part in [name, ": ", value, "\r\n"] {
                output.extend_from_slice(part.as_bytes());
            }
        }
        output.extend_from_slice(b"\r\n");
        if owed.head_only { Cow::Borrowed(&[]) } else { self.body }
    }
}

/// Appends the digits of a number, which `write!` would do by way of a formatter.
fn decimal(mut number: usize, output: &mut Vec<u8>) {
    let mut digits = [0; DIGITS];
    let mut count = 0_usize;
    for place in digits.iter_mut().rev() {
        *place = b'0' | (number % 10) as u8;
        count = count.saturating_add(1);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    output.extend_from_slice(digits.get(DIGITS.saturating_sub(count)..).unwrap_or_default());
}
