//! Sends back what has come.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use echo_loop::Conversation;

pub(crate) struct Echo {
    stream: TcpStream,
    /// What was read; `start..end` is still to be written.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Conversation for Echo {
    fn new(stream: TcpStream, buffer: usize) -> Self {
        Self { stream, buffer: vec![0; buffer], start: 0, end: 0 }
    }

    #[inline]
    fn go_on(&mut self, closed: bool) -> io::Result<bool> {
        let mut is_empty = false;
        loop {
            while self.start < self.end {
                match self.stream.write(&self.buffer[self.start..self.end]) {
                    Ok(count) => self.start += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
            if is_empty {
                return Ok(true);
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => (self.start, self.end) = (0, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
            is_empty = self.end < self.buffer.len() && !closed;
        }
    }
}
