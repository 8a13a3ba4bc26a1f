//! What all that speak the least of HTTP have in common: each request is parsed with httparse, nothing of it is looked
//! at, and the answer is the same bytes.
//!
//! Right for a client that sends requests without bodies, and for no other. The answer has the headers of the others,
//! with a date that stands still, so that all of them send as many bytes.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;

use httparse::{Request, Status};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\
    Date: Thu, 26 Nov 2026 00:00:00 GMT\r\n\r\nHello, World!";

/// The most header fields of a request: as in httparse's own example.
const FIELDS: usize = 64;

/// The beginning of a request, and answers that are still to be written.
#[derive(Debug)]
pub struct Requests {
    buffer: Vec<u8>,
    /// How much of it is the beginning of a request.
    filled: usize,
    /// To be written by the caller, and then cleared.
    pub answers: Vec<u8>,
}

impl Requests {
    /// With room for so many bytes of requests.
    pub fn new(buffer: usize) -> Self {
        Self { buffer: vec![0; buffer], filled: 0, answers: Vec::new() }
    }

    /// Where more is to be read.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// So many bytes were read: answers the whole requests, and keeps what is left.
    ///
    /// # Errors
    ///
    /// When they are no request.
    pub fn received(&mut self, count: usize) -> io::Result<()> {
        self.filled += count;
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
