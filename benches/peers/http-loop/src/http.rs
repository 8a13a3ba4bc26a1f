//! A connection of the loop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use echo_loop::Conversation;
use http_loop::Requests;

pub(crate) struct Http {
    stream: TcpStream,
    requests: Requests,
    /// How much of the answers has been written.
    written: usize,
}

impl Conversation for Http {
    fn new(stream: TcpStream, buffer: usize) -> Self {
        Self { stream, requests: Requests::new(buffer), written: 0 }
    }

    #[inline]
    fn go_on(&mut self, closed: bool) -> io::Result<bool> {
        let mut is_empty = false;
        loop {
            while self.written < self.requests.answers.len() {
                match self.stream.write(&self.requests.answers[self.written..]) {
                    Ok(count) => self.written += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
            self.requests.answers.clear();
            self.written = 0;
            if is_empty {
                return Ok(true);
            }
            let room = self.requests.room();
            let length = room.len();
            match self.stream.read(room) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    is_empty = count < length && !closed;
                    self.requests.received(count)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }
}
