//! Frames: nine bytes of header and a body (native protocol v4, section 2).

use std::io;
use std::ops::RangeInclusive;

use mainspring::codec::{Buffer, Decoder, Encoder, LengthDelimited};
use mainspring::proto::multiplex::{Frame, Role};

use super::request::Request;
use super::response::Response;

/// The version, as a client and as a server writes it.
const VERSION: u8 = 4;
const IS_RESPONSE: u8 = 0x80;

/// The longest frame, in bytes: the 256 MB of the specification are more than a client should take from anyone.
const FRAME: usize = 16 * 1024 * 1024;

/// The same with its header.
pub(super) const WHOLE: usize = 9 + FRAME;

/// A request and its place among those in flight.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Under which it is answered, zero or more.
    pub stream: i16,
    /// What is asked.
    pub request: Request,
}

impl Outgoing {
    /// One whose place is still to be found.
    pub fn new(request: Request) -> Self {
        Self { stream: 0, request }
    }
}

impl Frame for Outgoing {
    /// A call that is dropped keeps its id until it is answered: the protocol has no word for cancelling.
    const IDS: RangeInclusive<u64> = 0..=i16::MAX as u64;

    fn role(&self) -> Role {
        role(self.stream)
    }

    fn set_id(&mut self, id: u64) {
        self.stream = id as i16; // within IDS
    }
}

/// A response, or an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Of which request; negative for none.
    pub stream: i16,
    /// What is said.
    pub response: Response,
}

impl Frame for Incoming {
    const IDS: RangeInclusive<u64> = Outgoing::IDS;

    fn role(&self) -> Role {
        role(self.stream)
    }

    fn set_id(&mut self, id: u64) {
        self.stream = id as i16; // within IDS
    }
}

fn role(stream: i16) -> Role {
    u64::try_from(stream).map_or(Role::Push, Role::Call)
}

/// The codec of a client's connection.
#[derive(Debug)]
pub struct Codec(LengthDelimited);

impl Default for Codec {
    fn default() -> Self {
        Self(LengthDelimited::new().offset(5).strip(0).max_length(FRAME))
    }
}

impl Decoder for Codec {
    type Item = Incoming;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Incoming>> {
        let Some(frame) = self.0.decode(buffer)? else { return Ok(None) };
        let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("what arrived is {what}"));
        let Some((&[version, flags, stream_high, stream_low, opcode, ..], body)) = frame.split_first_chunk::<9>()
        else {
            return Err(malformed("shorter than a header"));
        };
        if version != VERSION | IS_RESPONSE {
            return Err(malformed(&format!("no response of version {VERSION}: it begins with {version:#04x}")));
        }
        let stream = i16::from_be_bytes([stream_high, stream_low]);
        let response = Response::read(opcode, flags, body);
        let response = response.ok_or_else(|| malformed(&format!("a response {opcode:#04x} that is malformed")))?;
        Ok(Some(Incoming { stream, response }))
    }
}

impl Encoder<Outgoing> for Codec {
    type Error = io::Error;

    fn encode(&mut self, message: Outgoing, output: &mut Vec<u8>) -> io::Result<()> {
        let [high, low] = message.stream.to_be_bytes();
        // The length is filled in.
        let mut frame = vec![VERSION, 0, high, low, message.request.opcode(), 0, 0, 0, 0];
        message.request.put(&mut frame)?;
        self.0.encode(frame, output)
    }
}
