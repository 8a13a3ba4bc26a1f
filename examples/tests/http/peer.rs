//! The other end of a connection, as a bare socket that sends whatever a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::program::{Program, SOON};

/// A connection to the service.
pub(crate) struct Peer {
    stream: TcpStream,
    /// What has arrived and was not taken.
    received: Vec<u8>,
}

/// A response, taken apart far enough for a test.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status line and the fields, each with its line end.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {self:?}"))
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name).map(|(_, v)| v)
    }
}

impl Peer {
    pub(crate) fn connect(program: &Program) -> Self {
        let stream = TcpStream::connect(program.address).expect("the service accepts");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        Self { stream, received: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the service reads");
    }

    /// Sends as much as the service takes before it closes.
    pub(crate) fn send_in_vain(&mut self, bytes: impl AsRef<[u8]>) {
        // Why ignored: a service that has refused need not read to the end.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the writing side closes");
    }

    /// The bytes of one read.
    pub(crate) fn read_once(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        let count = loop {
            match self.stream.read(&mut buffer) {
                // signal(7): a read with a timeout is interrupted by a stop and a continue.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.expect("the service answers"),
            }
        };
        buffer.truncate(count);
        buffer
    }

    /// The next response, whose body is as long as it says; an interim one has none.
    pub(crate) fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(place) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break place + 4;
            }
            self.fill();
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let mut answer = Answer { head: String::from_utf8(head).expect("a head is text"), body: Vec::new() };
        let length: usize = answer.field("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        while self.received.len() < length {
            self.fill();
        }
        answer.body = self.received.drain(..length).collect();
        answer
    }

    /// Everything that was not taken, up to the end.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.received);
        self.stream.read_to_end(&mut rest).expect("the service closes");
        rest
    }

    /// Asserts that the service has closed, and sent nothing more.
    pub(crate) fn expect_end(&mut self) {
        let rest = self.read_to_end();
        assert_eq!(rest.escape_ascii().to_string(), "", "bytes behind the last response");
    }

    fn fill(&mut self) {
        let bytes = self.read_once();
        assert!(!bytes.is_empty(), "the service closed after {:?}", self.received.escape_ascii().to_string());
        self.received.extend(bytes);
    }
}
