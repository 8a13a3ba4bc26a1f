//! The least that answers HTTP: as many times the same bytes as there are empty lines in what has come.
//!
//! Right for a client that sends requests without bodies, and for no other. The answer has the headers of the others, with
//! a date that stands still, so that all of them send as many bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::Conversation;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\
    Date: Thu, 26 Nov 2026 00:00:00 GMT\r\n\r\nHello, World!";

/// The end of a request.
const END: &[u8] = b"\r\n\r\n";

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
            self.answer();
        }
    }
}

impl Http {
    /// Answers the whole requests, and keeps what is left.
    fn answer(&mut self) {
        let mut done = 0;
        while let Some(at) = self.buffer[done..self.filled].windows(END.len()).position(|window| window == END) {
            self.answers.extend_from_slice(ANSWER.as_bytes());
            done += at + END.len();
        }
        self.buffer.copy_within(done..self.filled, 0);
        self.filled -= done;
    }
}
