//! The server's end of a connection: commands in, replies out.
//!
//! What is no command is an item too, so that it can be answered; nothing is decoded behind it.

use std::io;

use mainspring::codec::{Buffer, Decoder, Encoder};

use super::frame::{Frame, Malformed, length};
use super::{Value, limits};

/// What a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A command: its name, and its arguments. At least one.
    Command(Vec<Vec<u8>>),
    /// Something else, and why it is none.
    Malformed(String),
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A value.
    Value(Value),
    /// A value, behind which the connection closes.
    Last(Value),
}

/// Decodes commands and encodes replies. One for each connection.
#[derive(Debug, Default)]
pub struct Requests {
    frame: Frame,
    /// The strings of a command that have arrived.
    words: Vec<Vec<u8>>,
    /// How many are missing; none between two commands.
    missing: usize,
    /// Set by what is no command: nothing that comes matters any more.
    is_over: bool,
    /// Set by a reply behind which the connection closes.
    is_last: bool,
}

impl Requests {
    /// For a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    fn advance(&mut self, buffer: &mut Buffer) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
        loop {
            if self.frame.is_at_bulk() {
                let Some(word) = self.frame.bulk(buffer)? else { return Ok(None) };
                self.words.push(word);
                self.missing -= 1;
                if self.missing == 0 {
                    self.frame.finish(buffer);
                    return Ok(Some(std::mem::take(&mut self.words)));
                }
            }
            let Some(place) = self.frame.line(buffer, limits::LINE)? else { return Ok(None) };
            let line = &buffer.as_slice()[place];
            match line.split_first() {
                Some((b'$', digits)) if self.missing > 0 => {
                    let length = length(digits, limits::BULK).flatten();
                    self.frame.expect_bulk(length.ok_or_else(|| "invalid bulk length".to_owned())?)?;
                }
                other if self.missing > 0 => {
                    let got = other.map_or('\r', |(&byte, _)| char::from(byte));
                    return Err(format!("expected '$', got '{got}'"));
                }
                Some((b'*', digits)) => {
                    let count = length(digits, limits::ITEMS);
                    self.missing = count.ok_or_else(|| "invalid multibulk length".to_owned())?.unwrap_or(0);
                    self.words = Vec::with_capacity(self.missing.min(limits::RESERVED));
                    if self.missing == 0 {
                        self.frame.finish(buffer);
                    }
                }
                // Typed by hand: words with spaces between them, without quotes.
                _ => {
                    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                    let words: Vec<_> = words.map(<[u8]>::to_vec).collect();
                    self.frame.finish(buffer);
                    if !words.is_empty() {
                        return Ok(Some(words));
                    }
                }
            }
        }
    }
}

impl Decoder for Requests {
    type Item = Request;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Request>> {
        if self.is_over {
            buffer.consume(buffer.len());
            return Ok(None);
        }
        Ok(match self.advance(buffer) {
            Ok(words) => words.map(Request::Command),
            Err(reason) => {
                self.is_over = true;
                buffer.consume(buffer.len());
                Some(Request::Malformed(reason))
            }
        })
    }
}

impl Encoder<Reply> for Requests {
    type Error = io::Error;

    fn encode(&mut self, reply: Reply, output: &mut Vec<u8>) -> io::Result<()> {
        let (Reply::Value(value) | Reply::Last(value)) = &reply;
        value.write(output);
        self.is_last = matches!(reply, Reply::Last(_));
        Ok(())
    }

    fn is_last(&self) -> bool {
        self.is_last
    }
}
