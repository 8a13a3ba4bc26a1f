//! A by-value state machine, in the manner of tungstenite's and OpenSSL's `MidHandshake`.
use std::io::{ErrorKind, Read};

use mainspring::io::{self, Attempt};

use super::trickle::Trickle;

/// A handshake that its steps consume: it reads what is announced by the first byte.
pub(crate) struct Handshake {
    reader: Trickle,
    read: Vec<u8>,
    steps: usize,
}

impl Handshake {
    fn step(mut self) -> std::io::Result<Attempt<Self, (usize, Vec<u8>)>> {
        self.steps += 1;
        loop {
            match self.read.first() {
                Some(0) => return Err(std::io::Error::other("refused by the peer")),
                Some(&len) if self.read.len() == usize::from(len) => {
                    return Ok(Attempt::Done((self.steps, self.read)));
                }
                _ => {}
            }
            let mut byte = [0];
            match self.reader.read(&mut byte) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.read.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Attempt::NotYet(self)),
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn with(bytes: &[u8]) -> std::io::Result<(usize, Vec<u8>)> {
        let reader = Trickle::of(bytes).await;
        io::resume(|| Self { reader, read: Vec::new(), steps: 0 }.step(), Self::step).await
    }
}
