//! Values of columns (native protocol v4, section 6), of the types that most tables have; others are bytes.

use std::fmt;

use super::reader::Reader;

/// How deep types stand in each other at most: a list of lists of lists.
const DEPTH: u32 = 8;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 64 bits with a sign.
    BigInt,
    /// True or false.
    Boolean,
    /// 32 bits with a sign.
    Int,
    /// UTF-8, and ASCII.
    Text,
    /// Bytes, and all that is not known here.
    Blob,
}

impl Type {
    /// Reads one, and passes over those that stand in it.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Self::read_within(reader, DEPTH)
    }

    fn read_within(reader: &mut Reader<'_>, depth: u32) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        match reader.short()? {
            0x0001 | 0x000d => return Some(Self::Text),
            0x0002 => return Some(Self::BigInt),
            0x0004 => return Some(Self::Boolean),
            0x0009 => return Some(Self::Int),
            // A custom type has a name.
            0x0000 => drop(reader.text()?),
            // Lists and sets have one, maps two.
            0x0020 | 0x0022 => drop(Self::read_within(reader, depth)?),
            0x0021 => drop((Self::read_within(reader, depth)?, Self::read_within(reader, depth)?)),
            // One of the user's, with named fields.
            0x0030 => {
                reader.text()?;
                reader.text()?;
                for _ in 0..reader.short()? {
                    reader.text()?;
                    Self::read_within(reader, depth)?;
                }
            }
            0x0031 => {
                for _ in 0..reader.short()? {
                    Self::read_within(reader, depth)?;
                }
            }
            _ => {}
        }
        Some(Self::Blob)
    }
}

/// The value of a column, or of a `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// `bigint`.
    BigInt(i64),
    /// `boolean`.
    Boolean(bool),
    /// `int`.
    Int(i32),
    /// `text`, `varchar` and `ascii`.
    Text(String),
    /// `blob`, and all others as they are.
    Blob(Vec<u8>),
}

impl Value {
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Null => return None,
            Self::BigInt(number) => number.to_be_bytes().into(),
            Self::Boolean(is_true) => vec![(*is_true).into()],
            Self::Int(number) => number.to_be_bytes().into(),
            Self::Text(text) => text.clone().into(),
            Self::Blob(bytes) => bytes.clone(),
        })
    }

    /// That of these bytes; none if they are none of that type.
    pub(super) fn of(kind: Type, bytes: Option<&[u8]>) -> Option<Self> {
        let Some(bytes) = bytes else { return Some(Self::Null) };
        Some(match kind {
            Type::BigInt => Self::BigInt(i64::from_be_bytes(bytes.try_into().ok()?)),
            Type::Boolean => match bytes {
                [byte] => Self::Boolean(*byte != 0),
                _ => return None,
            },
            Type::Int => Self::Int(i32::from_be_bytes(bytes.try_into().ok()?)),
            Type::Text => Self::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
            Type::Blob => Self::Blob(bytes.to_vec()),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::BigInt(number) => number.fmt(f),
            Self::Boolean(is_true) => is_true.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => text.escape_debug().fmt(f),
            Self::Blob(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}
