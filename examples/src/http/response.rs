//! A response, and its form on the wire.

use std::borrow::Cow;
use std::io::{self, Write};

use super::owed::{Owed, Persistence};
use super::{Status, date};

/// What a request is answered with.
#[derive(Clone, Debug)]
pub struct Response {
    status: Status,
    content_type: Cow<'static, str>,
    body: Cow<'static, [u8]>,
    /// For 405: the methods that the path has.
    allow: Option<&'static str>,
}

impl Response {
    /// 200 with a body. A `content_type` that cannot stand in a header field is sent as `application/octet-stream`.
    pub fn ok(content_type: impl Into<Cow<'static, str>>, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let mut content_type = content_type.into();
        if !content_type.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
            content_type = Cow::Borrowed("application/octet-stream");
        }
        Self { status: Status::Ok, content_type, body: body.into(), allow: None }
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
        let mut response = Self::of(Status::MethodNotAllowed);
        response.allow = Some(allow);
        response
    }

    /// Whether it comes before the response itself and has no body.
    pub(super) const fn is_interim(&self) -> bool {
        matches!(self.status, Status::Continue)
    }

    const fn plain(status: Status, text: &'static str) -> Self {
        Self { status, content_type: Cow::Borrowed("text/plain"), body: Cow::Borrowed(text.as_bytes()), allow: None }
    }

    /// Appends it to `output` in the form that is `owed`; an interim one owes nothing.
    pub(super) fn write(&self, owed: Owed, output: &mut Vec<u8>) -> io::Result<()> {
        write!(output, "HTTP/1.1 {}\r\nContent-Length: {}\r\n", self.status.text(), self.body.len())?;
        write!(output, "Content-Type: {}\r\nDate: ", self.content_type)?;
        date::write(output);
        output.extend_from_slice(match owed.persistence {
            Persistence::Open => b"\r\n",
            Persistence::Granted => b"\r\nConnection: keep-alive\r\n",
            Persistence::Closing => b"\r\nConnection: close\r\n",
        });
        if let Some(methods) = self.allow {
            write!(output, "Allow: {methods}\r\n")?;
        }
        output.extend_from_slice(b"\r\n");
        if !owed.head_only {
            output.extend_from_slice(&self.body);
        }
        Ok(())
    }
}
