//! A command as it is sent.

use std::fmt;

use super::value::{write_bulk, write_number};

/// Commands that change nothing, so that one whose answer was lost may be sent again.
const READS: [&str; 14] = [
    "DBSIZE", "ECHO", "EXISTS", "GET", "INFO", "KEYS", "LLEN", "LRANGE", "MGET", "PING", "PTTL", "STRLEN", "TTL",
    "TYPE",
];

/// A command, with its arguments in the form in which they are sent.
///
/// ```
/// use examples::redis::Command;
///
/// let command = Command::new("SET").arg("key").arg(b"\x00\x01").arg("EX").arg("10");
/// # drop(command);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// How many strings it has, the name among them.
    count: usize,
    /// They, each behind its length.
    strings: Vec<u8>,
    /// Whether it changes nothing.
    is_read: bool,
}

impl Command {
    /// The command called `name`, without arguments.
    pub fn new(name: &str) -> Self {
        let is_read = READS.iter().any(|read| read.eq_ignore_ascii_case(name));
        Self { count: 0, strings: Vec::with_capacity(64), is_read }.arg(name)
    }

    /// With one argument more.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.count += 1;
        write_bulk(argument.as_ref(), &mut self.strings);
        self
    }

    /// With all of these.
    #[must_use]
    pub fn args<A: AsRef<[u8]>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, |command, argument| command.arg(argument))
    }

    /// Whether it changes nothing.
    pub const fn is_read(&self) -> bool {
        self.is_read
    }

    /// Appends it to `output`.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        output.push(b'*');
        write_number(self.count as u64, output);
        output.extend_from_slice(&self.strings);
    }
}

impl AsRef<Self> for Command {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({})", self.strings.escape_ascii())
    }
}
