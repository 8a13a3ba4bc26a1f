//! What a server says (native protocol v4, section 4.2).

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use super::reader::Reader;
use super::value::{Type, Value};

/// Flags of a header.
const IS_COMPRESSED: u8 = 0x01;
const IS_TRACED: u8 = 0x02;
const HAS_PAYLOAD: u8 = 0x04;
const HAS_WARNINGS: u8 = 0x08;

/// Flags of what describes columns.
const HAS_ONE_TABLE: i32 = 1;
const HAS_MORE_PAGES: i32 = 2;
const HAS_NO_COLUMNS: i32 = 4;

/// The bytes that tell a trace.
const TRACE: usize = 16;

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The request has failed.
    Error(Failure),
    /// The connection can be used.
    Ready,
    /// Who is there? Asked by this class of the server's.
    Authenticate(String),
    /// Welcome.
    Authenticated,
    /// The server can do these things.
    Supported,
    /// It is done, and there is nothing to say.
    Void,
    /// Rows.
    Rows(Rows),
    /// It is done: of this keyspace from now on.
    Keyspace(String),
    /// It is prepared: under this id, with values of these types.
    Prepared(Rc<[u8]>, Vec<Type>),
    /// The schema was changed.
    Changed,
    /// Something has happened, which was not asked for.
    Event(Event),
}

/// Rows, and what their columns are called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Names, from left to right.
    pub columns: Vec<String>,
    /// As many values each.
    pub rows: Vec<Vec<Value>>,
}

/// Why a request has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is (section 9).
    pub code: i32,
    /// The same in words.
    pub text: String,
}

impl Failure {
    /// The server does not know what was prepared, as when it was started anew.
    pub const UNPREPARED: i32 = 0x2500;

    /// Whether the request was not begun: the server is overloaded, or still starting.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, 0x1001 | 0x1002)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error {:#06x})", self.text, self.code)
    }
}

/// What a server tells of its own accord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node has come or gone: `NEW_NODE`, `REMOVED_NODE`.
    Topology(String, SocketAddr),
    /// A node is `UP` or `DOWN`.
    Status(String, SocketAddr),
    /// Something was `CREATED`, `UPDATED` or `DROPPED`: of a kind, in a keyspace.
    Schema(String, String, String),
}

impl Response {
    /// Reads the body of a frame; none if it is malformed.
    pub(super) fn read(opcode: u8, flags: u8, body: &[u8]) -> Option<Self> {
        let reader = &mut Reader(body);
        if flags & IS_COMPRESSED != 0 {
            // It was not asked for.
            return None;
        }
        if flags & IS_TRACED != 0 {
            reader.take(TRACE)?;
        }
        if flags & HAS_WARNINGS != 0 {
            for _ in 0..reader.short()? {
                reader.text()?;
            }
        }
        if flags & HAS_PAYLOAD != 0 {
            for _ in 0..reader.short()? {
                reader.text()?;
                reader.bytes()?;
            }
        }
        Some(match opcode {
            // What follows the text depends on the code, and says no more than it.
            0x00 => Self::Error(Failure { code: reader.int()?, text: reader.text()?.to_owned() }),
            0x02 => Self::Ready,
            0x03 => Self::Authenticate(reader.text()?.to_owned()),
            0x06 => Self::Supported,
            0x08 => Self::read_result(reader)?,
            0x0c => Self::Event(Event::read(reader)?),
            0x10 => Self::Authenticated,
            _ => return None,
        })
    }

    fn read_result(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.int()? {
            1 => Self::Void,
            2 => {
                let columns = read_columns(reader, false)?;
                let count = reader.int()?;
                let mut rows = Vec::new();
                // A row without columns has no bytes, so nothing else would bound them.
                if columns.is_empty() && count > 0 {
                    return None;
                }
                for _ in 0..count {
                    let row = columns.iter().map(|(_, kind)| Value::of(*kind, reader.bytes()?));
                    rows.push(row.collect::<Option<Vec<_>>>()?);
                }
                Self::Rows(Rows { columns: columns.into_iter().map(|(name, _)| name).collect(), rows })
            }
            3 => Self::Keyspace(reader.text()?.to_owned()),
            4 => {
                let id = reader.short_bytes()?.into();
                let values = read_columns(reader, true)?;
                Self::Prepared(id, values.into_iter().map(|(_, kind)| kind).collect())
            }
            5 => Self::Changed,
            _ => return None,
        })
    }
}

/// A keyspace and a table.
fn skip_table(reader: &mut Reader<'_>) -> Option<()> {
    reader.text()?;
    reader.text()?;
    Some(())
}

/// Names and types of columns, or of values that are to be bound.
fn read_columns(reader: &mut Reader<'_>, is_bound: bool) -> Option<Vec<(String, Type)>> {
    let flags = reader.int()?;
    let count = reader.int()?;
    if is_bound {
        // Which of them make the partition key.
        for _ in 0..reader.int()? {
            reader.short()?;
        }
    }
    if flags & HAS_MORE_PAGES != 0 {
        reader.bytes()?;
    }
    let mut columns = Vec::new();
    if flags & HAS_NO_COLUMNS != 0 {
        return Some(columns);
    }
    if flags & HAS_ONE_TABLE != 0 {
        skip_table(reader)?;
    }
    for _ in 0..count {
        if flags & HAS_ONE_TABLE == 0 {
            skip_table(reader)?;
        }
        columns.push((reader.text()?.to_owned(), Type::read(reader)?));
    }
    Some(columns)
}

impl Event {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (kind, what) = (reader.text()?, reader.text()?.to_owned());
        Some(match kind {
            "TOPOLOGY_CHANGE" => Self::Topology(what, reader.address()?),
            "STATUS_CHANGE" => Self::Status(what, reader.address()?),
            "SCHEMA_CHANGE" => Self::Schema(what, reader.text()?.to_owned(), reader.text()?.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topology(what, address) | Self::Status(what, address) => write!(f, "{what} {address}"),
            Self::Schema(what, kind, keyspace) => write!(f, "{what} {kind} {keyspace}"),
        }
    }
}
