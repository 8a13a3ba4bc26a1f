//! A value of the protocol, and its form on the wire.

/// What a reply is made of (RESP2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A status, such as `OK`.
    Simple(String),
    /// What went wrong; its first word says of what kind it is.
    Error(String),
    /// A number.
    Integer(i64),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// No string, and no array.
    Nil,
    /// Values of any kind.
    Array(Vec<Self>),
}

impl Value {
    /// The status of success.
    pub fn ok() -> Self {
        Self::Simple("OK".to_owned())
    }

    /// An error with this text.
    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    /// Appends it to `output`.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => write_line(b'+', text, output),
            Self::Error(text) => write_line(b'-', text, output),
            Self::Integer(number) => {
                let digits = number.unsigned_abs();
                output.extend_from_slice(if *number < 0 { b":-" } else { b":" });
                write_number(digits, output);
            }
            Self::Bulk(bytes) => write_bulk(bytes, output),
            Self::Nil => output.extend_from_slice(b"$-1\r\n"),
            Self::Array(values) => {
                output.push(b'*');
                write_number(values.len() as u64, output);
                for value in values {
                    value.write(output);
                }
            }
        }
    }
}

/// A string behind its length.
pub(super) fn write_bulk(bytes: &[u8], output: &mut Vec<u8>) {
    output.push(b'$');
    write_number(bytes.len() as u64, output);
    output.extend_from_slice(bytes);
    output.extend_from_slice(b"\r\n");
}

/// A line of text, in which nothing that is in it ends the line.
fn write_line(kind: u8, text: &str, output: &mut Vec<u8>) {
    output.push(kind);
    output.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    output.extend_from_slice(b"\r\n");
}

/// Digits, and the end of their line. By hand, since each reply has some, and the formatting of std takes longer than
/// the rest.
pub(super) fn write_number(mut number: u64, output: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    output.extend_from_slice(&digits[start..]);
    output.extend_from_slice(b"\r\n");
}
