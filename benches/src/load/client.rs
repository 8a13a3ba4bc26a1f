//! One connection of the client: what it sends, and how much of the answer has come.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use mainspring_sys::Interest;

use super::Shape;

/// The most that is sent without asking whether there is room; a socket that is empty takes more than that.
const ROOM: usize = 4096;

pub(super) struct Client {
    pub(super) stream: TcpStream,
    /// All the requests that are sent together.
    request: Vec<u8>,
    answer: Vec<u8>,
    /// How much of the requests has been sent, and how much of the answers has come.
    written: usize,
    received: usize,
    /// When they were sent.
    pub(super) sent: Instant,
}

impl Client {
    pub(super) fn connect(server: SocketAddr, index: usize, shape: Shape) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let length = shape.depth * shape.bytes;
        // Nothing is outstanding, as if all had come.
        let request = vec![index as u8; length];
        Ok(Self { stream, request, answer: vec![0; length], written: length, received: length, sent: Instant::now() })
    }

    /// What has to be known of it.
    pub(super) fn interest(&self) -> Interest {
        if self.request.len() > ROOM { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE }
    }

    pub(super) fn send(&mut self) -> io::Result<()> {
        (self.written, self.received) = (0, 0);
        self.sent = Instant::now();
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock && self.request.len() > ROOM => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what is left of the requests and reads what has come of the answers; true if that was the rest.
    pub(super) fn go_on(&mut self) -> io::Result<bool> {
        // One without requests outstanding has nothing to receive.
        if self.received == self.answer.len() {
            return Ok(false);
        }
        self.write()?;
        while self.received < self.answer.len() {
            match self.stream.read(&mut self.answer[self.received..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.answer != self.request {
            return Err(io::Error::new(ErrorKind::InvalidData, "the answer is not the request"));
        }
        Ok(true)
    }

    /// Takes the answer of one that blocks, and closes.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.go_on()? {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::TimedOut, "the server has said nothing for 20 s"))
    }
}
