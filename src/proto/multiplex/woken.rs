//! Which calls of a served connection were woken.
//!
//! Each slot of `Slots` has a waker of its own, made once, that notes the slot's index and wakes the task of the
//! connection. So a wake costs a poll of the call that it is for, and not one of each call in flight.
//!
//! It guarantees that a wake is noted once however often it comes until the call is polled, and that one that comes
//! during that poll is not lost. A wake that comes late, for a call that has left its slot, costs a poll that finds
//! another call or none.
//!
//! A list under a lock that is held for a push. A lock-free list needs `unsafe`, and there is one reader.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::locks::Mutex;

/// Those that were woken, and whom to tell.
#[derive(Debug, Default)]
struct Noted {
    indices: Vec<usize>,
    /// The task of the connection, while it is not told.
    connection: Option<Waker>,
}

/// The list of one connection.
#[derive(Debug, Default)]
pub(super) struct Woken(Arc<Mutex<Noted>>);

/// The waker of one slot.
#[derive(Debug)]
pub(super) struct Flag {
    index: usize,
    /// Set while the index stands in the list, or its call is about to be polled.
    is_noted: AtomicBool,
    list: Arc<Mutex<Noted>>,
}

impl Woken {
    /// The waker of a slot.
    pub(super) fn flag(&self, index: usize) -> Arc<Flag> {
        Arc::new(Flag { index, is_noted: AtomicBool::new(false), list: self.0.clone() })
    }

    /// Those that were woken since, into `indices`; `connection` is told of the next one. [`Flag::clear`] before the
    /// poll.
    pub(super) fn take(&self, indices: &mut Vec<usize>, connection: Waker) {
        indices.clear();
        let mut noted = self.0.lock();
        std::mem::swap(indices, &mut noted.indices);
        let before = noted.connection.replace(connection);
        // Why in this order: a waker is dropped with no lock held.
        drop(noted);
        drop(before);
    }
}

impl Flag {
    /// Its call is about to be polled: a wake from now on is another one.
    pub(super) fn clear(&self) {
        self.is_noted.store(false, Ordering::SeqCst);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_noted.swap(true, Ordering::SeqCst) {
            return;
        }
        let connection = {
            let mut noted = self.list.lock();
            noted.indices.push(self.index);
            noted.connection.take()
        };
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}
