//! What goes over a connection: frames with four bytes of length, of a kind, an id, and the rest.

use std::io;

use mainspring::codec::{Buffer, Decoder, Encoder, LengthDelimited};
use mainspring::proto::multiplex::{Frame, Role};
use mainspring::sync::Permit;

use super::Failure;
use super::wire::Wire;

/// A message in either direction.
#[derive(Debug)]
pub(super) enum Message {
    /// A call.
    Request {
        id: u32,
        /// What is called.
        method: u32,
        /// Under which number items are sent; zero for none.
        stream: u32,
        /// How much time is left for it. A time of day would want clocks that agree.
        time_left_ms: u32,
        body: Vec<u8>,
    },
    /// Its answer; of a stream, its end.
    Response { id: u32, body: Vec<u8> },
    /// It has failed.
    Failure { id: u32, failure: Failure },
    /// More items of a stream may be sent. It is a call as well, which is answered at once.
    Credit { id: u32, stream: u32, items: u32 },
    /// An item of a stream, and what is given back once it is written.
    Item {
        stream: u32,
        body: Vec<u8>,
        #[expect(dead_code, reason = "it is given back when the item is dropped")]
        unwritten: Option<Permit>,
    },
    /// A call is not wanted any more; from the server, it was not carried out.
    Cancel { id: u32 },
    /// A call was not begun.
    Refuse { id: u32 },
    /// Is the peer there?
    Ping(u32),
    /// It is.
    Pong(u32),
    /// The server begins no further call.
    GoAway,
}

impl Frame for Message {
    fn role(&self) -> Role {
        match *self {
            Self::Request { id, .. }
            | Self::Response { id, .. }
            | Self::Failure { id, .. }
            | Self::Credit { id, .. } => Role::Call(id.into()),
            Self::Item { .. } => Role::Push,
            Self::Cancel { id } => Role::Cancel(id.into()),
            Self::Refuse { id } => Role::Refuse(id.into()),
            Self::Ping(number) => Role::Ping(number.into()),
            Self::Pong(number) => Role::Pong(number.into()),
            Self::GoAway => Role::GoAway,
        }
    }

    fn set_id(&mut self, new: u64) {
        match self {
            Self::Request { id, .. }
            | Self::Response { id, .. }
            | Self::Failure { id, .. }
            | Self::Credit { id, .. }
            | Self::Cancel { id }
            | Self::Refuse { id } => *id = new as u32, // within IDS
            Self::Item { .. } | Self::Ping(_) | Self::Pong(_) | Self::GoAway => {}
        }
    }

    fn cancel(id: u64) -> Option<Self> {
        Some(Self::Cancel { id: id as u32 })
    }

    fn refuse(id: u64) -> Option<Self> {
        Some(Self::Refuse { id: id as u32 })
    }

    fn ping(number: u64) -> Option<Self> {
        Some(Self::Ping(number as u32))
    }

    fn pong(number: u64) -> Option<Self> {
        Some(Self::Pong(number as u32))
    }

    fn go_away() -> Option<Self> {
        Some(Self::GoAway)
    }
}

/// The longest answer or item, in bytes: with what stands before it, it fits into a frame of 1 MiB.
pub(super) const BODY_MAX: usize = 1024 * 1024 - 64;

/// The codec of a connection, in either direction.
#[derive(Debug)]
pub(super) struct Codec(LengthDelimited);

impl Codec {
    pub(super) fn new() -> Self {
        Self(LengthDelimited::new())
    }
}

impl Decoder for Codec {
    type Item = Message;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Message>> {
        let Some(frame) = self.0.decode(buffer)? else { return Ok(None) };
        match read(&frame) {
            Some(message) => Ok(Some(message)),
            None => {
                let start = &frame[..frame.len().min(16)];
                let message = format!("a frame of {} bytes is no message: it begins with {start:02x?}", frame.len());
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
        }
    }
}

impl Encoder<Message> for Codec {
    type Error = io::Error;

    fn encode(&mut self, message: Message, output: &mut Vec<u8>) -> io::Result<()> {
        let mut frame = Vec::new();
        let mut put = |kind: u8, numbers: &[u32], body: &[u8]| {
            frame.push(kind);
            numbers.iter().for_each(|number| number.put(&mut frame));
            frame.extend(body);
        };
        match &message {
            Message::Request { id, method, stream, time_left_ms, body } => {
                put(0, &[*id, *method, *stream, *time_left_ms], body);
            }
            Message::Response { id, body } => put(1, &[*id], body),
            Message::Failure { id, failure } => put(2, &[*id], &failure.to_bytes()),
            Message::Credit { id, stream, items } => put(3, &[*id, *stream, *items], &[]),
            Message::Item { stream, body, .. } => put(4, &[*stream], body),
            Message::Cancel { id } => put(5, &[*id], &[]),
            Message::Refuse { id } => put(6, &[*id], &[]),
            Message::Ping(number) => put(7, &[*number], &[]),
            Message::Pong(number) => put(8, &[*number], &[]),
            Message::GoAway => put(9, &[], &[]),
        }
        self.0.encode(frame, output)
    }
}

fn read(mut frame: &[u8]) -> Option<Message> {
    let input = &mut frame;
    let kind = u8::take(input)?;
    if kind == 9 {
        return input.is_empty().then_some(Message::GoAway);
    }
    let id = u32::take(input)?;
    let message = match kind {
        0 => {
            let [method, stream, time_left_ms] = [u32::take(input)?, u32::take(input)?, u32::take(input)?];
            Message::Request { id, method, stream, time_left_ms, body: std::mem::take(input).to_vec() }
        }
        1 => Message::Response { id, body: std::mem::take(input).to_vec() },
        2 => Message::Failure { id, failure: Failure::take(input)? },
        3 => Message::Credit { id, stream: u32::take(input)?, items: u32::take(input)? },
        4 => Message::Item { stream: id, body: std::mem::take(input).to_vec(), unwritten: None },
        5 => Message::Cancel { id },
        6 => Message::Refuse { id },
        7 => Message::Ping(id),
        8 => Message::Pong(id),
        _ => return None,
    };
    input.is_empty().then_some(message)
}
