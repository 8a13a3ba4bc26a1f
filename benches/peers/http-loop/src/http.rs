//! The least that speaks HTTP: parses each request with httparse, looks at nothing of it, and answers with the same bytes.
//!
//! Right for a client that sends requests without bodies, and for no other. The answer has the headers of the others, with
//! a date that stands still, so that all of them send as many bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;

use echo_loop::Conversation;
use httparse::{Request, Status};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\
    Date: Thu, 26 Nov 2026 00:00:00 GMT\r\n\r\nHello, World!";

/// The most header fields of a request: as in httparse's own example.
const FIELDS: usize = 64;

pub(crate) struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of it is the beginning of a request.
    filled: usize,
    /// Answers that are still to be written, from `start` on.
    answers: Vec<u8>,
    start: usize,
}

impl Conversation for Http {
    fn new(stream: TcpStream, buffer: usize) -> Self {
        Self { stream, buffer: vec![0; buffer], filled: 0, answers: Vec::new(), start: 0 }
    }

    #[inline]
    fn go_on(&mut self, closed: bool) -> io::Result<bool> {
        let mut is_empty = false;
        loop {
            while self.start < self.answers.len() {
                match self.stream.write(&self.answers[self.start..]) {
                    Ok(count) => self.start += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
            self.answers.clear();
            self.start = 0;
            if is_empty {
                return Ok(true);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    is_empty = self.filled + count < self.buffer.len() && !closed;
                    self.filled += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
            self.answer()?;
        }
    }
}

impl Http {
    /// Answers the whole requests, and keeps what is left.
    fn answer(&mut self) -> io::Result<()> {
        let mut done = 0;
        while done < self.filled {
            // Why without a value: 64 fields that are cleared first are a quarter of all that a request takes here.
            let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
            let bytes = &self.buffer[done..self.filled];
            match Request::new(&mut []).parse_with_uninit_headers(bytes, &mut fields) {
                Ok(Status::Complete(length)) => {
                    self.answers.extend_from_slice(ANSWER.as_bytes());
                    done += length;
                }
                Ok(Status::Partial) => break,
                Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
        }
        self.buffer.copy_within(done..self.filled, 0);
        self.filled -= done;
        Ok(())
    }
}
