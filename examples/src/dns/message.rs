//! Questions and answers, as they go on the wire (RFC 1035, section 4).
//!
//! Nothing is allocated for what a count declares, names end, and whatever is wrong is an error of that message. A
//! crate for this was turned down: the light one reserves memory for 4 times 65,535 records because twelve bytes say
//! so.

use std::fmt;
use std::ops::RangeInclusive;

use mainspring::proto::multiplex::{Frame, Role};

use super::name::Name;
use super::record::{Kind, Record};

/// The class of the Internet.
pub(super) const INTERNET: u16 = 1;

/// The longest answer that is asked for in one datagram: what passes everywhere unfragmented.
pub(super) const DATAGRAM: u16 = 1232;

/// Flags of the header.
const IS_RESPONSE: u16 = 0x8000;
const IS_AUTHORITATIVE: u16 = 0x0400;
const IS_TRUNCATED: u16 = 0x0200;
const WANTS_RECURSION: u16 = 0x0100;

/// The type of the record that says what the sender understands (RFC 6891).
const OPTIONS: u16 = 41;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Of whom.
    pub name: Name,
    /// What.
    pub kind: Kind,
}

/// What a client says: a question, or that it does not want an answer any more. The latter never leaves the process.
#[derive(Clone, Debug)]
pub enum Query {
    /// A question under this id.
    Ask(u16, Question),
    /// The one under this id has no one who waits for it.
    Forget(u16),
}

impl Frame for Query {
    const IDS: RangeInclusive<u64> = 0..=u16::MAX as u64;
    const ANSWERS_CANCELLED: bool = false;

    fn role(&self) -> Role {
        match *self {
            Self::Ask(id, _) => Role::Call(id.into()),
            Self::Forget(id) => Role::Cancel(id.into()),
        }
    }

    fn set_id(&mut self, id: u64) {
        let (Self::Ask(place, _) | Self::Forget(place)) = self;
        *place = id as u16; // within IDS
    }

    fn cancel(id: u64) -> Option<Self> {
        Some(Self::Forget(id as u16))
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// That of the question.
    pub id: u16,
    /// What was asked.
    pub question: Question,
    /// Whether it was.
    pub code: Code,
    /// Whether a part is missing, for want of room.
    pub is_truncated: bool,
    /// Whether the server is one of the zone's own.
    pub is_authoritative: bool,
    /// What was asked for, and the names on the way there.
    pub records: Vec<Record>,
    /// If there is nothing, for how long that may be kept.
    pub authority: Vec<Record>,
}

impl Frame for Answer {
    const IDS: RangeInclusive<u64> = Query::IDS;

    fn role(&self) -> Role {
        Role::Call(self.id.into())
    }

    fn set_id(&mut self, id: u64) {
        self.id = id as u16; // within IDS
    }
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

impl Code {
    /// It was.
    pub const NO_ERROR: Self = Self(0);
    /// The server could not.
    pub const SERVER_FAILURE: Self = Self(2);
    /// There is no such name.
    pub const NO_NAME: Self = Self(3);
    /// The server does not want to.
    pub const REFUSED: Self = Self(5);

    /// Whether it answers the question, with "there is none" too.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::NO_ERROR | Self::NO_NAME)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NO_ERROR => f.write_str("no error"),
            Self::SERVER_FAILURE => f.write_str("the server has failed"),
            Self::NO_NAME => f.write_str("there is no such name"),
            Self::REFUSED => f.write_str("the server refuses to answer"),
            Self(code) => write!(f, "the server answers with code {code}"),
        }
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what arrived is no answer: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Writes a question, which asks for recursion, and for answers of up to 1,232 bytes in a datagram.
pub fn encode(id: u16, question: &Question, output: &mut Vec<u8>) {
    // One question, and of what is added at the end one record.
    let header = [id, WANTS_RECURSION, 1, 0, 0, 1];
    output.extend(header.iter().flat_map(|number| number.to_be_bytes()));
    output.extend(question.name.as_bytes());
    output.extend([question.kind.0, INTERNET].iter().flat_map(|number| number.to_be_bytes()));
    output.push(0);
    output.extend([OPTIONS, DATAGRAM, 0, 0, 0].iter().flat_map(|number| number.to_be_bytes()));
}

/// Reads an answer; what servers add unasked is not looked at.
///
/// # Errors
///
/// If it is none.
pub fn decode(message: &[u8]) -> Result<Answer, Malformed> {
    let mut reader = Reader { message, place: 0, end: message.len() };
    let [id, flags, questions, answers, authorities, _additional] = reader.numbers()?;
    if flags & IS_RESPONSE == 0 || questions != 1 {
        return Err(Malformed("it is a question, or an answer to none or several"));
    }
    let name = Name::read(&mut reader)?;
    let kind = Kind(reader.number()?);
    if reader.number()? != INTERNET {
        return Err(Malformed("it is of another class"));
    }
    let is_truncated = flags & IS_TRUNCATED != 0;
    // What was cut off may be so within a record, and is asked for again in any case.
    let (answers, authorities) = if is_truncated { (0, 0) } else { (answers, authorities) };
    let mut section = |count: u16| {
        let mut records = Vec::new();
        for _ in 0..count {
            records.extend(Record::read(&mut reader)?);
        }
        Ok(records)
    };
    Ok(Answer {
        id,
        question: Question { name, kind },
        code: Code((flags & 15) as u8),
        is_truncated,
        is_authoritative: flags & IS_AUTHORITATIVE != 0,
        records: section(answers)?,
        authority: section(authorities)?,
    })
}

/// A place in a message, and where a part of it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    message: &'a [u8],
    place: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn position(&self) -> usize {
        self.place
    }

    pub(super) fn left(&self) -> usize {
        self.end - self.place
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Goes to a place before this one.
    pub(super) fn jump(&mut self, place: usize) {
        self.place = place;
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        if count > self.left() {
            return Err(Malformed("it ends too early"));
        }
        self.place += count;
        Ok(&self.message[self.place - count..self.place])
    }

    /// One for the next bytes alone, which this one passes over.
    pub(super) fn part(&mut self, count: usize) -> Result<Self, Malformed> {
        let place = self.place;
        self.bytes(count)?;
        Ok(Self { message: self.message, place, end: self.place })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N).map(|bytes| std::array::from_fn(|index| bytes[index]))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u16; N], Malformed> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Ok(numbers)
    }
}
