//! The client's end of a connection: commands out, values in.

use std::io;

use mainspring::codec::{Buffer, Decoder, Encoder};

use super::frame::{Frame, Malformed, integer, length};
use super::{Command, Value, limits};

/// Decodes replies and encodes commands. One for each connection.
#[derive(Debug, Default)]
pub struct Replies {
    frame: Frame,
    /// The arrays that are not full, each inside the one before. At most `limits::DEPTH`.
    open: Vec<Open>,
    /// How many values the arrays of this frame have, at most `limits::ITEMS`.
    items: usize,
}

/// An array of which a part has arrived.
#[derive(Debug)]
struct Open {
    values: Vec<Value>,
    /// How many are missing, at least 1.
    missing: usize,
}

impl Replies {
    /// For a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    fn advance(&mut self, buffer: &mut Buffer) -> Result<Option<Value>, Malformed> {
        loop {
            let Some(mut value) = self.element(buffer)? else { return Ok(None) };
            // An array that is full is a value of the one around it.
            loop {
                let Some(open) = self.open.last_mut() else {
                    self.frame.finish(buffer);
                    self.items = 0;
                    return Ok(Some(value));
                };
                open.values.push(value);
                open.missing -= 1;
                if open.missing > 0 {
                    break;
                }
                value = Value::Array(self.open.pop().map(|open| open.values).unwrap_or_default());
            }
        }
    }

    /// The next value that is no array, or an empty one.
    fn element(&mut self, buffer: &mut Buffer) -> Result<Option<Value>, Malformed> {
        loop {
            if self.frame.is_at_bulk() {
                return Ok(self.frame.bulk(buffer)?.map(Value::Bulk));
            }
            let Some(line) = self.frame.line(buffer, limits::LINE)? else { return Ok(None) };
            let Some((&kind, rest)) = buffer.as_slice()[line].split_first() else {
                return Err("an empty line".to_owned());
            };
            let text = || String::from_utf8_lossy(rest).into_owned();
            match kind {
                b'+' => return Ok(Some(Value::Simple(text()))),
                b'-' => return Ok(Some(Value::Error(text()))),
                b':' => {
                    let number = integer(rest).ok_or_else(|| format!("{:?} is not a number", text()))?;
                    return Ok(Some(Value::Integer(number)));
                }
                b'$' => match length(rest, limits::BULK).ok_or_else(|| "invalid bulk length".to_owned())? {
                    Some(length) => self.frame.expect_bulk(length)?,
                    None => return Ok(Some(Value::Nil)),
                },
                b'*' => match length(rest, limits::ITEMS).ok_or_else(|| "invalid multibulk length".to_owned())? {
                    Some(0) => return Ok(Some(Value::Array(Vec::new()))),
                    Some(count) => self.open(count)?,
                    None => return Ok(Some(Value::Nil)),
                },
                other => return Err(format!("{:?} begins no value", char::from(other))),
            }
        }
    }

    fn open(&mut self, count: usize) -> Result<(), Malformed> {
        self.items += count;
        if self.items > limits::ITEMS {
            return Err("too many values in a frame".to_owned());
        }
        if self.open.len() == limits::DEPTH {
            return Err("too many arrays within arrays".to_owned());
        }
        self.open.push(Open { values: Vec::with_capacity(count.min(limits::RESERVED)), missing: count });
        Ok(())
    }
}

impl Decoder for Replies {
    type Item = Value;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Value>> {
        self.advance(buffer).map_err(|reason| {
            let message = format!("what arrived is not a reply of redis: {reason}");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }
}

impl<C: AsRef<Command>> Encoder<C> for Replies {
    type Error = io::Error;

    fn encode(&mut self, command: C, output: &mut Vec<u8>) -> io::Result<()> {
        command.as_ref().write(output);
        Ok(())
    }
}
