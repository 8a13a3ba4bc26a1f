//! How long a server puts up with a peer that does nothing.
//!
//! A setting of the servers in [`crate::proto`]. All of them are on unless turned off by hand: a connection
//! without deadlines is held open by a peer that sends one byte, or none.
//!
//! Each deadline covers one phase in the life of a connection, and exactly one is running at any time. They are total
//! times: a peer that sends another byte within the phase does not extend it. One that reads a long answer does, each 4
//! KiB of it are a phase. They count from the first reading of the clock in the poll in which the phase begins, so a
//! poll that blocks for a second takes as much off. A minimum rate in bytes per second was turned down, it needs a
//! clock reading for each read.
use std::time::Duration;

/// The longest times of the phases of a served connection.
///
/// In each, `Duration::MAX` turns the deadline off, and zero lets the phase end at the first chance.
///
/// # Examples
///
/// ```
/// use mainspring::proto::Deadlines;
/// use std::time::Duration;
///
/// let patient = Deadlines { idle: Duration::MAX, ..Deadlines::default() };
/// assert_eq!(patient.first_byte, Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start of the connection to its first byte. Default 30 s; then the connection fails.
    pub first_byte: Duration,
    /// From the first byte of a message to its last, while nothing is in flight. Default 30 s; then the
    /// connection fails.
    pub partial_frame: Duration,
    /// From the last answer to the next byte. Default 5 min; then the connection is closed in good order.
    pub idle: Duration,
    /// For the oldest request in flight, from when it became the oldest to when its answer is accepted for writing; and
    /// for each 4 KiB of answers that wait to be written, also when the connection closes. Default 60 s; then the
    /// connection fails.
    pub request: Duration,
}

impl Deadlines {
    /// The defaults.
    pub(crate) const DEFAULT: Self = Self {
        first_byte: Duration::from_secs(30),
        partial_frame: Duration::from_secs(30),
        idle: Duration::from_secs(5 * 60),
        request: Duration::from_secs(60),
    };

    /// No deadlines: for peers that are trusted.
    pub const OFF: Self =
        Self { first_byte: Duration::MAX, partial_frame: Duration::MAX, idle: Duration::MAX, request: Duration::MAX };
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::DEFAULT
    }
}
