//! A name in the tree of names (RFC 1035, section 3.1).
//!
//! Kept as it goes on the wire, without compression and in lower case, as which names are compared (RFC 4343).

use std::fmt;
use std::str::FromStr;

use super::message::{Malformed, Reader};

/// The longest name on the wire, in bytes.
const BYTES: usize = 255;

/// The longest label, in bytes.
const LABEL: usize = 63;

/// Pointers that are followed in one name, one for each label that fits: a chain of pointers alone takes no time for
/// long.
const POINTERS: usize = 128;

/// A name, the root among them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Vec<u8>);

impl Name {
    /// Whether it is the root, which stands for "none" where a name has to be.
    pub fn is_root(&self) -> bool {
        self.0 == [0]
    }

    /// As it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads one, and follows its pointers into what stands before it.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut wire = Vec::new();
        let mut place = *reader;
        let mut pointers = 0;
        // Each part stands before the one that points to it, so that there is an end.
        let mut start = place.position();
        loop {
            let length = place.byte()?;
            match length {
                0 => break,
                1..=63 => {
                    wire.push(length);
                    wire.extend(place.bytes(length.into())?.iter().map(u8::to_ascii_lowercase));
                    if wire.len() >= BYTES {
                        return Err(Malformed("a name is longer than 255 bytes"));
                    }
                }
                0xc0.. => {
                    let target = usize::from(length & 0x3f) << 8 | usize::from(place.byte()?);
                    if pointers == 0 {
                        *reader = place;
                    }
                    pointers += 1;
                    if target >= start || pointers > POINTERS {
                        return Err(Malformed("a name points in circles"));
                    }
                    place.jump(target);
                    start = target;
                }
                _ => return Err(Malformed("a label of a kind that is not known")),
            }
        }
        if pointers == 0 {
            *reader = place;
        }
        wire.push(0);
        Ok(Self(wire))
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text_of_labels = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::new();
        if !text_of_labels.is_empty() {
            for label in text_of_labels.split('.') {
                if label.is_empty() || label.len() > LABEL || label.contains('\\') {
                    return Err(format!("{label:?} in {text:?} is no label: 1 to {LABEL} bytes, without escapes"));
                }
                wire.push(label.len() as u8);
                wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
        }
        wire.push(0);
        if wire.len() > BYTES {
            return Err(format!("{text:?} is longer than {BYTES} bytes"));
        }
        Ok(Self(wire))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        let mut rest = &self.0[..];
        while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, after) = after.split_at(length.into());
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
            rest = after;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
