//! The codec of a connection to a server.
//!
//! An answer is found by the request that it is to, since that to a `HEAD` has no body whatever it says; and what has
//! two readings is an error, as in a request. So is whatever comes before anything was asked, a part of an answer too:
//! an idle connection goes from one client to another.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use httparse::{EMPTY_HEADER, Header, Response};
use mainspring::codec::{Buffer, Decoder, Encoder};

use super::super::chunks::Chunks;
use super::super::{Method, limits, lines};
use super::answer::Passed;
use super::{Forwarded, fields};

/// HTTP/1.1, as a client. One for each connection.
#[derive(Debug, Default)]
pub struct Back {
    /// Whether each request that has no answer yet is a `HEAD`. Bounded by the requests in flight.
    asked: VecDeque<bool>,
    /// The answer of which the head has arrived.
    begun: Option<(Passed, Body)>,
}

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Debug)]
enum Body {
    /// It stands in the buffer from the one place to the other.
    Length(usize, usize),
    Chunked(Chunks),
    /// It begins there, and ends with the connection.
    UntilEnd(usize),
}

impl Back {
    /// For a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next answer, or what is wrong with it.
    fn advance(&mut self, buffer: &mut Buffer, is_end: bool) -> Result<Option<Passed>, &'static str> {
        loop {
            let Some((mut passed, mut body)) = self.begun.take() else {
                // Kept, it would be taken for the beginning of the answer to whoever asks next.
                if self.asked.is_empty() && !buffer.is_empty() {
                    return Err("nothing was asked");
                }
                let end =
                    lines::section_end(buffer, 0, limits::HEAD).map_err(|_| "its head is malformed or too long")?;
                let Some(end) = end else { return Ok(None) };
                self.begin(buffer, end)?;
                continue;
            };
            let arrived = match &mut body {
                Body::Length(start, end) => buffer.as_slice().get(*start..*end).map(|body| (body.to_vec(), *end)),
                Body::Chunked(chunks) => {
                    let end = chunks.advance(buffer).map_err(|_| "its chunks are malformed or too long")?;
                    end.map(|end| (std::mem::take(&mut chunks.body), end))
                }
                Body::UntilEnd(start) => {
                    let body = buffer.as_slice().get(*start..).unwrap_or_default();
                    if body.len() > limits::ANSWER {
                        return Err("it is too long");
                    }
                    is_end.then(|| (body.to_vec(), buffer.len()))
                }
            };
            let Some((body, end)) = arrived else {
                self.begun = Some((passed, body));
                return Ok(None);
            };
            passed.body = body;
            buffer.consume(end.min(buffer.len()));
            self.asked.pop_front();
            return Ok(Some(passed));
        }
    }

    /// Begins an answer with the head that ends at `end`, or takes that of an interim one off the buffer.
    fn begin(&mut self, buffer: &mut Buffer, end: usize) -> Result<(), &'static str> {
        let mut headers = [EMPTY_HEADER; limits::FIELDS];
        let mut parsed = Response::new(&mut headers);
        let head = buffer.as_slice().get(..end).unwrap_or_default();
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == end => {}
            _ => return Err("its head is malformed"),
        }
        let status = parsed.code.unwrap_or_default();
        if status == 101 {
            return Err("it changes the protocol, which was not asked for");
        }
        if (100..200).contains(&status) {
            buffer.consume(end);
            return Ok(());
        }
        let headers = &*parsed.headers;
        let length = length(headers)?;
        let is_empty = matches!(status, 204 | 304) || self.asked.front() == Some(&true);
        let mut codings = fields::values(headers, "transfer-encoding");
        let body = match (codings.next(), length) {
            _ if is_empty => Body::Length(end, end),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
                Body::Chunked(Chunks::new(end, limits::ANSWER))
            }
            (Some(_), _) => return Err("it has a transfer coding that is not known, or one beside a length"),
            (None, Some(length)) if length > limits::ANSWER => return Err("it is too long"),
            (None, Some(length)) => Body::Length(end, end.saturating_add(length)),
            (None, None) => Body::UntilEnd(end),
        };
        let closes = fields::values(headers, "connection").any(|option| option.eq_ignore_ascii_case(b"close"));
        let is_old = parsed.version == Some(0);
        let mut passed = Passed {
            status,
            is_last: closes || is_old || matches!(body, Body::UntilEnd(_)),
            reason: parsed.reason.unwrap_or_default().to_owned(),
            fields: Vec::new(),
            length: length.map(|length| length.to_string()),
            body: Vec::new(),
        };
        fields::write(headers, &mut passed.fields);
        self.begun = Some((passed, body));
        Ok(())
    }
}

/// What `Content-Length` says, in one way only.
fn length(headers: &[Header<'_>]) -> Result<Option<usize>, &'static str> {
    let mut values = fields::values(headers, "content-length");
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err("it has two lengths");
    }
    let digits = std::str::from_utf8(value).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).map(Some).ok_or("its length is no number")
}

fn malformed(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an answer cannot be passed on: {reason}"))
}

impl Decoder for Back {
    type Item = Passed;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Passed>> {
        self.advance(buffer, false).map_err(malformed)
    }

    fn decode_eof(&mut self, buffer: &mut Buffer) -> io::Result<Option<Passed>> {
        match self.advance(buffer, true).map_err(malformed)? {
            None if !buffer.is_empty() => {
                let message = format!("the server has closed inside an answer, after {} bytes of it", buffer.len());
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
            answer => Ok(answer),
        }
    }
}

impl Encoder<Rc<Forwarded>> for Back {
    type Error = io::Error;

    fn encode(&mut self, request: Rc<Forwarded>, output: &mut Vec<u8>) -> io::Result<()> {
        output.extend_from_slice(&request.bytes);
        self.asked.push_back(request.method == Method::Head);
        Ok(())
    }
}
