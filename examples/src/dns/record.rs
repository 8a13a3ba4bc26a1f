//! What a name has (RFC 1035, section 3.2): addresses, other names, text.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::message::{Malformed, Reader};
use super::name::Name;

/// The type of a record, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u16);

impl Kind {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// A server of a zone.
    pub const NS: Self = Self(2);
    /// The name that this one stands for.
    pub const CNAME: Self = Self(5);
    /// The beginning of a zone.
    pub const SOA: Self = Self(6);
    /// A pointer to a name.
    pub const PTR: Self = Self(12);
    /// Where mail goes.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Where a service is (RFC 2782).
    pub const SRV: Self = Self(33);

    /// Those with a name.
    const NAMED: [(Self, &'static str); 9] = [
        (Self::A, "A"),
        (Self::NS, "NS"),
        (Self::CNAME, "CNAME"),
        (Self::SOA, "SOA"),
        (Self::PTR, "PTR"),
        (Self::MX, "MX"),
        (Self::TXT, "TXT"),
        (Self::AAAA, "AAAA"),
        (Self::SRV, "SRV"),
    ];
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::NAMED.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(kind, _)| *kind);
        // As RFC 3597 writes the others.
        let number = || text.to_ascii_uppercase().strip_prefix("TYPE").and_then(|number| number.parse().ok());
        named.or_else(|| number().map(Self)).ok_or_else(|| format!("{text:?} is no type, such as A, SRV or TYPE65"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(kind, _)| kind == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

/// A record of the Internet's class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who has it.
    pub name: Name,
    /// Its type.
    pub kind: Kind,
    /// For how many seconds it may be kept.
    pub time_to_live_s: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `A`.
    V4(Ipv4Addr),
    /// `AAAA`.
    V6(Ipv6Addr),
    /// `CNAME`, `NS`, `PTR`.
    Name(Name),
    /// `MX`: the lower number is preferred.
    Mail(u16, Name),
    /// `TXT`.
    Text(Vec<Vec<u8>>),
    /// `SRV`.
    Service {
        /// The lowest number that can be reached is called.
        priority: u16,
        /// Its share among those of the same priority.
        weight: u16,
        /// Where it listens.
        port: u16,
        /// On which host; the root says that there is no such service.
        target: Name,
    },
    /// `SOA`.
    Zone {
        /// The server on which the zone is changed.
        primary: Name,
        /// How often it was.
        serial: u32,
        /// For how many seconds it may be kept that a name has nothing (RFC 2308).
        negative_s: u32,
    },
    /// Of another type, as it is.
    Other(Vec<u8>),
}

impl Record {
    /// Reads one; those of other classes have no meaning here, and are none.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        let name = Name::read(reader)?;
        let kind = Kind(reader.number()?);
        let class = reader.number()?;
        let time_to_live_s = u32::from(reader.number()?) << 16 | u32::from(reader.number()?);
        let length = reader.number()?;
        let mut data = reader.part(length.into())?;
        if class != super::message::INTERNET {
            return Ok(None);
        }
        let data = Data::read(kind, &mut data)?;
        // Beyond 2^31 is zero, RFC 2181.
        let time_to_live_s = if time_to_live_s >> 31 == 0 { time_to_live_s } else { 0 };
        Ok(Some(Self { name, kind, time_to_live_s, data }))
    }
}

impl Data {
    /// Reads what `reader` has left; names in it may point to what stands before.
    fn read(kind: Kind, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let data = match kind {
            Kind::A => Self::V4(Ipv4Addr::from(reader.array()?)),
            Kind::AAAA => Self::V6(Ipv6Addr::from(reader.array()?)),
            Kind::CNAME | Kind::NS | Kind::PTR => Self::Name(Name::read(reader)?),
            Kind::MX => Self::Mail(reader.number()?, Name::read(reader)?),
            Kind::SRV => {
                let [priority, weight, port] = [reader.number()?, reader.number()?, reader.number()?];
                Self::Service { priority, weight, port, target: Name::read(reader)? }
            }
            Kind::SOA => {
                let primary = Name::read(reader)?;
                let _mailbox = Name::read(reader)?;
                let serial = u32::from_be_bytes(reader.array()?);
                let [.., negative] = [0; 4].map(|_: u32| reader.array().map(u32::from_be_bytes));
                Self::Zone { primary, serial, negative_s: negative? }
            }
            Kind::TXT => {
                let mut texts = Vec::new();
                while !reader.is_empty() {
                    let length = reader.byte()?;
                    texts.push(reader.bytes(length.into())?.to_vec());
                }
                Self::Text(texts)
            }
            _ => Self::Other(reader.bytes(reader.left())?.to_vec()),
        };
        if reader.is_empty() { Ok(data) } else { Err(Malformed("a record is longer than what it says")) }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.name, self.time_to_live_s, self.kind, self.data)
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Mail(preference, name) => write!(f, "{preference} {name}"),
            Self::Service { priority, weight, port, target } => write!(f, "{priority} {weight} {port} {target}"),
            Self::Zone { primary, serial, negative_s } => write!(f, "{primary} serial {serial}, negative {negative_s}"),
            Self::Text(texts) => {
                let quoted = texts.iter().map(|text| format!("\"{}\"", text.escape_ascii()));
                f.write_str(&quoted.collect::<Vec<_>>().join(" "))
            }
            Self::Other(bytes) => {
                write!(f, "\\# {}", bytes.len())?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}
