//! The codec of a server's connection.
//!
//! Decoding: a head is parsed where it stands; one that has not arrived whole is looked for, and parsed once more when
//! it has. It is left in the buffer until the body is there too, so that the connection counts as being inside a
//! request all the while. A refusal is the last item.
//!
//! Encoding: responses come in the order of the requests, so a queue of what each request asked for gives every
//! response its form.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;

use mainspring::codec::{Buffer, Decoder, Encoder, Segments};

use super::chunks::Chunks;
use super::framing::Framing;
use super::head::Head;
use super::lines::{self, NoLine};
use super::owed::{Owed, Persistence};
use super::{Incoming, Response, Status, limits};

/// HTTP/1.1 and 1.0, as a server. One for each connection.
#[derive(Debug)]
pub struct Http {
    /// What the front of the buffer is.
    stage: Stage,
    /// The form of each response that is due, in order. Bounded by the requests in flight.
    owed: VecDeque<Owed>,
    /// Set when the next response is the last one, whatever its request asked for.
    closing: bool,
    /// Set by a response behind which the connection closes.
    last: bool,
    /// Set by a last response whose body goes on.
    open: bool,
}

#[derive(Debug)]
enum Stage {
    /// A head, or a part of one.
    Head,
    /// A head that was parsed, and a part of its body.
    Body(Box<Pending>),
    /// Nothing that matters: the last request has been decoded.
    Over,
}

/// A request whose body has not arrived.
#[derive(Debug)]
struct Pending {
    head: Head,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// It stands in the buffer from the one place to the other.
    Length(usize, usize),
    Chunked(Chunks),
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// For a new connection. Allocates nothing until the first request.
    pub const fn new() -> Self {
        Self { stage: Stage::Head, owed: VecDeque::new(), closing: false, last: false, open: false }
    }

    /// The next item; the error is what to refuse the bytes with.
    #[inline]
    fn advance(&mut self, buffer: &mut Buffer) -> Result<Option<Incoming>, Status> {
        if matches!(self.stage, Stage::Head) {
            let Some((head, end)) = arrived_head(buffer)? else { return Ok(None) };
            let body = match head.framing {
                Framing::Empty => return Ok(Some(self.request(buffer, head, Vec::new(), end))),
                Framing::Length(length) => Body::Length(end, end.saturating_add(length)),
                Framing::Chunked => Body::Chunked(Chunks::new(end, limits::BODY)),
            };
            // Once a part of the body is there, nobody waits for permission.
            let asked = head.expects_continue && buffer.len() == end;
            self.stage = Stage::Body(Box::new(Pending { head, body }));
            if asked {
                return Ok(Some(Incoming::Continue));
            }
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Body(pending) => self.body(buffer, pending),
            Stage::Head | Stage::Over => {
                buffer.consume(buffer.len());
                Ok(None)
            }
        }
    }

    /// Goes on with the body of `pending`, which is put back if it has not arrived whole.
    fn body(&mut self, buffer: &mut Buffer, mut pending: Box<Pending>) -> Result<Option<Incoming>, Status> {
        let arrived = match &mut pending.body {
            Body::Length(start, end) => buffer.as_slice().get(*start..*end).map(|body| (body.to_vec(), *end)),
            Body::Chunked(chunks) => chunks.advance(buffer)?.map(|end| (std::mem::take(&mut chunks.body), end)),
        };
        match arrived {
            Some((body, end)) => Ok(Some(self.request(buffer, pending.head, body, end))),
            None => {
                self.stage = Stage::Body(pending);
                Ok(None)
            }
        }
    }

    /// A whole request, which is taken off the buffer up to `end`.
    #[inline(always)]
    fn request(&mut self, buffer: &mut Buffer, head: Head, body: Vec<u8>, end: usize) -> Incoming {
        buffer.consume(end.min(buffer.len()));
        let closing = head.owed.persistence == Persistence::Closing;
        self.stage = if closing { Stage::Over } else { Stage::Head };
        self.owed.push_back(head.owed);
        let mut request = head.request;
        request.body = body;
        Incoming::Request(request)
    }

    /// Appends the head of a response, and gives back its body.
    #[inline]
    fn head(&mut self, response: Response, output: &mut Vec<u8>) -> io::Result<Cow<'static, [u8]>> {
        if response.is_interim() {
            output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            return Ok(Cow::Borrowed(&[]));
        }
        let mut owed = self.owed()?;
        if response.is_open() {
            owed.persistence = Persistence::Closing;
            self.last = true;
            self.open = !owed.head_only;
        }
        Ok(response.write(owed, output))
    }

    /// The last item of a connection. `head_only` if what is refused was a `HEAD`.
    fn refuse(&mut self, status: Status, head_only: bool) -> Incoming {
        self.stage = Stage::Over;
        self.owed.push_back(Owed { head_only, persistence: Persistence::Closing });
        Incoming::Refused(status)
    }
}

impl Decoder for Http {
    type Item = Incoming;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Incoming>> {
        match self.advance(buffer) {
            Ok(item) => Ok(item),
            Err(status) => {
                let head_only = buffer.as_slice().starts_with(b"HEAD ");
                buffer.consume(buffer.len());
                Ok(Some(self.refuse(status, head_only)))
            }
        }
    }

    /// A request that ends in the middle is refused with 400, as RFC 9112, section 8, wants.
    fn decode_eof(&mut self, buffer: &mut Buffer) -> io::Result<Option<Incoming>> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => {
                buffer.consume(buffer.len());
                Ok(Some(self.refuse(Status::BadRequest, false)))
            }
            item => Ok(item),
        }
    }

    fn is_interim(&self) -> bool {
        // The only item behind which a body is awaited is the question whether to send it.
        matches!(self.stage, Stage::Body(_))
    }

    fn give_up(&mut self) -> Option<Incoming> {
        Some(self.refuse(Status::RequestTimeout, false))
    }
}

impl Http {
    /// The form of the next response, which is about to be written.
    pub(super) fn owed(&mut self) -> io::Result<Owed> {
        let Some(mut owed) = self.owed.pop_front() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a response was sent that no request asked for"));
        };
        if self.closing {
            owed.persistence = Persistence::Closing;
        }
        self.last = owed.persistence == Persistence::Closing;
        Ok(owed)
    }
}

impl Encoder<Response> for Http {
    type Error = io::Error;

    fn encode(&mut self, response: Response, output: &mut Vec<u8>) -> io::Result<()> {
        let body = self.head(response, output)?;
        output.extend_from_slice(&body);
        Ok(())
    }

    fn encode_segments(&mut self, response: Response, output: &mut Segments) -> io::Result<()> {
        let body = self.head(response, output.tail())?;
        output.push(body);
        Ok(())
    }

    /// RFC 9112, section 9.6: a client that reads `close` sends its next request elsewhere.
    fn before_last(&mut self) {
        self.closing = true;
    }

    fn is_last(&self) -> bool {
        self.last
    }

    fn leaves_open(&self) -> bool {
        self.open
    }
}

/// The head at the front of the buffer and where it ends, if it is whole.
#[inline]
fn arrived_head(buffer: &mut Buffer) -> Result<Option<(Head, usize)>, Status> {
    skip_empty_lines(buffer);
    if buffer.is_empty() {
        return Ok(None);
    }
    if buffer.scanned() == 0 {
        if let Some((head, end)) = Head::at_front(buffer.as_slice()) {
            return head.map(|head| Some((head, end)));
        }
    }
    let Some(end) = head_end(buffer)? else { return Ok(None) };
    let head = Head::parse(buffer.as_slice().get(..end).unwrap_or_default())?;
    Ok(Some((head, end)))
}

/// Takes empty lines off the front: some clients send one behind a body (RFC 9112, section 2.2).
pub(super) fn skip_empty_lines(buffer: &mut Buffer) {
    while buffer.as_slice().starts_with(b"\r\n") {
        buffer.consume(2);
    }
}

pub(super) fn head_end(buffer: &mut Buffer) -> Result<Option<usize>, Status> {
    lines::section_end(buffer, 0, limits::HEAD).map_err(|reason| match reason {
        NoLine::BareLineFeed => Status::BadRequest,
        NoLine::TooLong if buffer.as_slice().iter().take(limits::HEAD).any(|&byte| byte == b'\n') => {
            Status::HeaderFieldsTooLarge
        }
        NoLine::TooLong => Status::UriTooLong,
    })
}
