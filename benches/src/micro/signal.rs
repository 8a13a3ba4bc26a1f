//! An event of event-listener, and whether it has happened, as the documentation of that crate has it.
//!
//! The signal of the runtimes that have none of their own. One who has announced itself looks at the flag once more
//! before it waits, so that no event is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;

/// An event, and whether it has happened.
#[derive(Default)]
pub(super) struct Signal {
    kept: AtomicBool,
    event: Event,
}

impl Signal {
    pub(super) fn notify(&self) {
        self.kept.store(true, Ordering::SeqCst);
        self.event.notify(1);
    }

    pub(super) async fn notified(&self) {
        while !self.kept.swap(false, Ordering::SeqCst) {
            let listener = self.event.listen();
            if self.kept.swap(false, Ordering::SeqCst) {
                return;
            }
            listener.await;
        }
    }
}
