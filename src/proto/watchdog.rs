//! The deadline of the phase that a connection is in.
//!
//! The clients and servers of this module tell it at the end of each poll which phase they are in. A phase
//! that is another than last time starts the clock; the same one lets it run. So no operation has to start
//! or stop a timer, and no path can forget to.
//!
//! It guarantees one timer per connection, and that none goes off for a phase that is over. One may wake for it, and is
//! then set for the phase that there is.
//!
//! Phases carry a count, so that the wait for the second request is another phase than the wait for the
//! first. Timers of their own for each kind of deadline were turned down: they overlap, and what closes the
//! connection then depends on which is polled first.
use std::fmt::Debug;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::alarm::Alarm;

#[derive(Debug)]
pub(super) struct Watchdog<P> {
    /// The phase that the alarm is set for. Written by `poll`.
    phase: Option<P>,
    /// How long after the beginning of the phase it is set for. Written by `poll`.
    limit: Duration,
    alarm: Alarm,
}

impl<P: Copy + PartialEq + Debug> Watchdog<P> {
    pub(super) fn new() -> Self {
        Self { phase: None, limit: Duration::MAX, alarm: Alarm::default() }
    }

    /// Whether `phase` has lasted `limit`, which may change while it lasts. Answers so once, and starts over.
    /// `Duration::MAX` is never, and leaves the alarm alone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, phase: P, limit: Duration) -> Poll<()> {
        if limit == Duration::MAX {
            self.phase = None;
            return Poll::Pending;
        }
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.limit = limit;
            self.alarm.set(limit);
        } else if self.limit != limit {
            self.limit = limit;
            self.alarm.move_to(limit);
        }
        ready!(self.alarm.poll(cx));
        self.phase = None;
        Poll::Ready(())
    }
}
