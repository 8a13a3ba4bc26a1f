//! The buffer that one `select` fills.
//!
//! Made by the caller, filled by the backend with the kernel's own records, and turned into [`Event`]s
//! only while it is iterated over, a few instructions each. The waker's record is left out there, where
//! the token is at hand anyway; taking it out in `select` would go over all records a second time.

use std::fmt;

use crate::backend::{Record, event_of};
use crate::{Event, Token};

/// The most events that one buffer holds, in items: 2 MiB of the largest record. More in one batch would
/// only make the first wait longer for the last.
const EVENTS_MAX: usize = 32_768;

/// What a selector found, and room for it. The waker's own event never shows.
pub struct Events {
    /// The kernel's records of the last select; the waker's may be among them.
    records: Vec<Record>,
}

impl Events {
    /// Room for `capacity` events in one select, in items, cut to 1 to 32,768. What does not fit is
    /// reported by the next select. A wake-up takes the room of one event.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { records: Vec::with_capacity(capacity.clamp(1, EVENTS_MAX)) }
    }

    /// The events of the last select, in the kernel's order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.records.iter().map(event_of).filter(|event| event.token() != Token::WAKER)
    }

    /// The number of events of the last select. Counts them.
    #[inline]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True if the last select found nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The most events that one select can report, in items.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.records.capacity()
    }

    /// Forgets the events, and keeps the room.
    #[inline]
    pub fn clear(&mut self) {
        self.records.clear();
    }

    /// The records, for the backend to fill.
    #[inline]
    pub(crate) fn records(&mut self) -> &mut Vec<Record> {
        &mut self.records
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
