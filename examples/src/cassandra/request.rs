//! What a client asks (native protocol v4, section 4.1).

use std::io;
use std::rc::Rc;

use super::value::Value;

/// How many replicas have to agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// One.
    #[default]
    One = 1,
    /// More than half.
    Quorum = 4,
    /// All.
    All = 5,
    /// More than half of those in the same data centre.
    LocalQuorum = 6,
}

/// A request.
#[derive(Clone, Debug)]
pub enum Request {
    /// Which options there are; asked of a server that is silent, too.
    Options,
    /// The first one of a connection.
    Startup,
    /// A name and a password, if the server asks who is there (SASL PLAIN, RFC 4616).
    Authenticate {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// From now on the server tells of what happens.
    Register,
    /// A statement.
    Query(Rc<str>, Consistency),
    /// A statement that is to be used many times, with `?` for values.
    Prepare(Rc<str>),
    /// One that was prepared, with its values.
    Execute(Rc<[u8]>, Rc<[Value]>, Consistency),
}

/// Of what a server tells.
const EVENTS: [&str; 3] = ["TOPOLOGY_CHANGE", "STATUS_CHANGE", "SCHEMA_CHANGE"];

/// The language, in its only version.
const LANGUAGE: [(&str, &str); 1] = [("CQL_VERSION", "3.0.0")];

/// Set if values follow.
const HAS_VALUES: u8 = 1;

impl Request {
    pub(super) const fn opcode(&self) -> u8 {
        match self {
            Self::Startup => 0x01,
            Self::Options => 0x05,
            Self::Query(..) => 0x07,
            Self::Prepare(_) => 0x09,
            Self::Execute(..) => 0x0a,
            Self::Register => 0x0b,
            Self::Authenticate { .. } => 0x0f,
        }
    }

    /// Appends the body.
    pub(super) fn put(&self, output: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Options => {}
            Self::Startup => {
                put_count(LANGUAGE.len(), output)?;
                for (key, value) in LANGUAGE {
                    put_short(key.as_bytes(), output)?;
                    put_short(value.as_bytes(), output)?;
                }
            }
            Self::Authenticate { user, password } => put_long(format!("\0{user}\0{password}").as_bytes(), output)?,
            Self::Register => {
                put_count(EVENTS.len(), output)?;
                EVENTS.iter().try_for_each(|event| put_short(event.as_bytes(), output))?;
            }
            Self::Query(statement, consistency) => {
                put_long(statement.as_bytes(), output)?;
                output.extend((*consistency as u16).to_be_bytes());
                output.push(0);
            }
            Self::Prepare(statement) => put_long(statement.as_bytes(), output)?,
            Self::Execute(id, values, consistency) => {
                put_short(id, output)?;
                output.extend((*consistency as u16).to_be_bytes());
                output.push(HAS_VALUES);
                put_count(values.len(), output)?;
                for value in values.iter() {
                    match value.to_bytes() {
                        Some(bytes) => put_long(&bytes, output)?,
                        None => output.extend((-1_i32).to_be_bytes()),
                    }
                }
            }
        }
        Ok(())
    }
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{length} are more than the protocol can say"))
}

fn put_count(count: usize, output: &mut Vec<u8>) -> io::Result<()> {
    output.extend(u16::try_from(count).map_err(|_| too_long(count))?.to_be_bytes());
    Ok(())
}

/// Behind two bytes of length.
fn put_short(bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    put_count(bytes.len(), output)?;
    output.extend(bytes);
    Ok(())
}

/// Behind four.
fn put_long(bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    output.extend(i32::try_from(bytes.len()).map_err(|_| too_long(bytes.len()))?.to_be_bytes());
    output.extend(bytes);
    Ok(())
}
