//! The codec of a connection to a client.

use std::io;
use std::net::IpAddr;

use mainspring::codec::{Buffer, Decoder, Encoder};

use super::super::codec::{head_end, skip_empty_lines};
use super::super::{Http, Incoming, Status};
use super::{Answer, Forwarded};

/// [`Http`], with the heads of the requests kept.
#[derive(Debug)]
pub struct Front {
    http: Http,
    /// Whose connection it is.
    client: IpAddr,
    /// The head of the request that has begun to arrive; none before it is whole.
    head: Option<Vec<u8>>,
}

/// An item of the decoder. Each wants exactly one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// To be passed on.
    Request(Forwarded),
    /// The client waits for leave to send a body. The request follows.
    Continue,
    /// To be refused. Nothing follows, and the connection closes behind the answer.
    Refused(Status),
}

impl Front {
    /// For a new connection from `client`.
    pub const fn new(client: IpAddr) -> Self {
        Self { http: Http::new(), client, head: None }
    }

    fn arrived(&mut self, item: Incoming) -> Arrived {
        match item {
            Incoming::Request(request) => {
                let head = self.head.take().unwrap_or_default();
                Arrived::Request(Forwarded::new(request, &head, self.client))
            }
            Incoming::Continue => Arrived::Continue,
            Incoming::Refused(status) => Arrived::Refused(status),
        }
    }

    /// Keeps the head at the front of the buffer, if it is whole. What is wrong with it is for `Http` to say.
    fn keep_head(&mut self, buffer: &mut Buffer) {
        if self.head.is_none() {
            skip_empty_lines(buffer);
            if let Ok(Some(end)) = head_end(buffer) {
                self.head = buffer.as_slice().get(..end).map(<[u8]>::to_vec);
            }
        }
    }
}

impl Decoder for Front {
    type Item = Arrived;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Arrived>> {
        self.keep_head(buffer);
        Ok(self.http.decode(buffer)?.map(|item| self.arrived(item)))
    }

    fn decode_eof(&mut self, buffer: &mut Buffer) -> io::Result<Option<Arrived>> {
        self.keep_head(buffer);
        Ok(self.http.decode_eof(buffer)?.map(|item| self.arrived(item)))
    }

    fn is_interim(&self) -> bool {
        self.http.is_interim()
    }

    fn give_up(&mut self) -> Option<Arrived> {
        self.http.give_up().map(|item| self.arrived(item))
    }
}

impl Encoder<Answer> for Front {
    type Error = io::Error;

    fn encode(&mut self, answer: Answer, output: &mut Vec<u8>) -> io::Result<()> {
        match answer {
            Answer::Own(response) => self.http.encode(response, output),
            Answer::Passed(passed) => {
                passed.write(self.http.owed()?, output);
                Ok(())
            }
        }
    }

    fn before_last(&mut self) {
        self.http.before_last();
    }

    fn is_last(&self) -> bool {
        self.http.is_last()
    }
}
