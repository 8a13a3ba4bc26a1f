//! What a served connection waits for.
//!
//! `Dispatch` asks at the end of each poll, and hands the answer to the watchdog, which limits how long a phase
//! lasts.
//!
//! Exactly one phase holds at any time. A request in flight comes before the rest of the next one, for as long
//! as the server itself is busy the peer is not to blame; whole requests are counted, so each wait is a phase
//! of its own and a peer that goes on sending does not prolong it. One that goes on reading does, for a long answer
//! takes its time: as long as it reads [`BYTES_PER_PHASE`] in each.
//!
//! Pure, without a clock, so the table below can be tested row by row. Deciding at each event which timer to
//! start was turned down: there are more events than phases, and a path that forgets one is found in production.
use std::io;
use std::time::Duration;

use crate::proto::Deadlines;

/// What a peer has to read of its answers within the time of a phase, so that a trickle is not enough. In bytes.
const BYTES_PER_PHASE: u64 = 4096;

/// The state of a connection, as far as it decides what is waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// How many whole requests have been read.
    pub(super) received: u64,
    /// The number of the oldest request that is not answered, and of the parts of bodies that were moved.
    pub(super) oldest: u64,
    /// Whether calls are in flight, or bodies on the way that somebody waits for.
    pub(super) in_flight: bool,
    /// Whether a part of a request has arrived.
    pub(super) partial: bool,
    /// Whether bytes wait to be written, and it is that which is waited for.
    pub(super) unwritten: bool,
    /// How many bytes have been written, ever.
    pub(super) written: u64,
    /// Whether nothing is left but to write and close.
    pub(super) closing: bool,
}

/// What the connection waits for. The numbers make each wait one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte.
    FirstByte,
    /// The rest of a request, after this many whole ones.
    PartialFrame(u64),
    /// The first byte of another request, after this many whole ones.
    Idle(u64),
    /// The answer of this number.
    Request(u64),
    /// The peer to read, after as much as this.
    Writing(u64),
    /// The last bytes to be written, and the rest of bodies, after as much as this.
    Closing(u64),
}

impl Phase {
    pub(super) const fn of(progress: Progress) -> Self {
        match progress {
            Progress { closing: true, oldest, written, .. } => Self::Closing(oldest + written / BYTES_PER_PHASE),
            Progress { unwritten: true, written, .. } => Self::Writing(written / BYTES_PER_PHASE),
            Progress { in_flight: true, oldest, .. } => Self::Request(oldest),
            Progress { partial: true, received, .. } => Self::PartialFrame(received),
            Progress { received: 0, .. } => Self::FirstByte,
            Progress { received, .. } => Self::Idle(received),
        }
    }

    /// How long the phase may last.
    pub(super) const fn limit(self, deadlines: &Deadlines) -> Duration {
        match self {
            Self::FirstByte => deadlines.first_byte,
            Self::PartialFrame(_) => deadlines.partial_frame,
            Self::Idle(_) => deadlines.idle,
            Self::Request(_) | Self::Writing(_) | Self::Closing(_) => deadlines.request,
        }
    }

    /// Whether it is the peer who is waited for, who has promised nothing: such a wait is shortened under pressure.
    pub(super) const fn is_idle(self) -> bool {
        matches!(self, Self::FirstByte | Self::PartialFrame(_) | Self::Idle(_))
    }

    /// The error of a phase that has lasted too long.
    pub(super) fn expired(self, limit: Duration) -> io::Error {
        let what = match self {
            Self::FirstByte => "the first byte of the connection",
            Self::PartialFrame(_) => "the rest of a request",
            Self::Idle(_) => "another request",
            Self::Request(_) => "the answer to a request",
            Self::Writing(_) => "the peer to read its answers",
            Self::Closing(_) => "the last answers to be written",
        };
        io::Error::new(io::ErrorKind::TimedOut, format!("waited {limit:?} for {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_a_connection_is_one_phase() {
        let start = Progress::default();
        let partial = Progress { partial: true, ..start };
        let busy = Progress { received: 2, oldest: 1, in_flight: true, ..start };
        let rest = Progress { received: 2, oldest: 2, ..start };
        let rows = [
            (start, Phase::FirstByte),
            (partial, Phase::PartialFrame(0)),
            (busy, Phase::Request(1)),
            (Progress { partial: true, ..busy }, Phase::Request(1)),
            (rest, Phase::Idle(2)),
            (Progress { partial: true, ..rest }, Phase::PartialFrame(2)),
            (Progress { unwritten: true, written: 8191, ..rest }, Phase::Writing(1)),
            (Progress { unwritten: true, partial: true, ..busy }, Phase::Writing(0)),
            (Progress { closing: true, ..start }, Phase::Closing(0)),
            (Progress { closing: true, ..busy }, Phase::Closing(1)),
            (Progress { closing: true, unwritten: true, written: 4096, ..busy }, Phase::Closing(2)),
        ];
        for (progress, phase) in rows {
            assert_eq!(Phase::of(progress), phase, "{progress:?}");
        }
    }

    #[test]
    fn another_request_starts_another_phase_and_another_byte_does_not() {
        let partial = Progress { partial: true, ..Progress::default() };
        assert_eq!(Phase::of(partial), Phase::of(partial));
        let waits = [1, 2].map(|received| Phase::of(Progress { received, oldest: received, ..Progress::default() }));
        assert_ne!(waits[0], waits[1]);
        let answers = [0, 1].map(|oldest| Phase::of(Progress { received: 2, oldest, in_flight: true, ..partial }));
        assert_ne!(answers[0], answers[1]);
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let second = Duration::from_secs;
        let deadlines =
            Deadlines { first_byte: second(1), partial_frame: second(2), idle: second(3), request: second(4) };
        let peer = [Phase::FirstByte, Phase::PartialFrame(5), Phase::Idle(5)];
        assert_eq!(peer.map(|phase| phase.limit(&deadlines).as_secs()), [1, 2, 3]);
        let others = [Phase::Request(5), Phase::Writing(5), Phase::Closing(5)];
        assert_eq!(others.map(|phase| phase.limit(&deadlines).as_secs()), [4, 4, 4]);
        assert!(peer.iter().all(|phase| phase.is_idle()) && !others.iter().any(|phase| phase.is_idle()));
        assert_eq!(Phase::Idle(5).expired(second(3)).to_string(), "waited 3s for another request");
    }
}
