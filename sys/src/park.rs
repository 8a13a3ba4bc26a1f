//! The waker's state machine: one token, as in `std::thread::park`.
//!
//! [`Waker`](crate::Waker) calls `wake` and `take`, a backend's `select` calls `sleep` and `rise`. It
//! decides when the kernel object has to be written; writing is the caller's part. So the machine is
//! pure, and modelled with loom below.
//!
//! ```text
//!              sleep                     wake: write
//!   AWAKE ---------------> ASLEEP ------------------------+
//!     ^  <--------------- rise                            v
//!     |  ---- wake: nothing to write ----------------> TOKEN  (wake, rise: stays)
//!     +------------------------ take --------------------+
//! ```
//!
//! Producers push first and wake second; the consumer takes the token first and its inbox second. So
//! whatever was pushed before a `wake` is seen by the `take` that consumes its token: all changes are
//! read-modify-write operations on one atomic, and acquire what every earlier `wake` released.
//!
//! Turned down: a flag that `select` sets after the inbox was looked at, which loses what is pushed in
//! between; and clearing the token in `select`, which loses it if the caller looks at its inbox first.

use crate::sync::{AtomicU8, Ordering};

/// Set while the consumer runs and nothing is to be told.
const AWAKE: u8 = 0;
/// Set by the consumer from before it waits in the kernel until after: only now does a wake write.
const ASLEEP: u8 = 1;
/// Set by a wake, until the consumer takes it.
const TOKEN: u8 = 2;

/// The state shared by one consumer and any number of producers.
#[derive(Debug)]
pub(crate) struct Park {
    /// One of the three constants above.
    state: AtomicU8,
}

impl Park {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(AWAKE) }
    }

    /// Leaves the token. True if the consumer sleeps in the kernel and has to be fetched from there:
    /// of many wakes during one sleep, one is told so.
    #[inline]
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        self.state.swap(TOKEN, Ordering::AcqRel) == ASLEEP
    }

    /// Announces that the consumer is about to wait. False if a token is there: it must not wait.
    #[inline]
    #[must_use]
    pub(crate) fn sleep(&self) -> bool {
        self.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Announces that the consumer is back from its wait. A token that came meanwhile stays.
    #[inline]
    pub(crate) fn rise(&self) {
        // A failure is the token, which is for `take` alone to consume.
        let _ = self.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Consumes the token, if there is one.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // The load spares a locked instruction in the common case. If it misses a token that is just
        // being left, `sleep` will not.
        if self.state.load(Ordering::Relaxed) != TOKEN {
            return false;
        }
        self.state.swap(AWAKE, Ordering::AcqRel);
        true
    }
}

#[cfg(all(test, loom))]
mod model {
    //! A consumer with an inbox against producers, over all interleavings. `Notify` is the eventfd:
    //! a write makes the wait under way or the next one return.
    //!
    //! `RUSTFLAGS="--cfg loom" cargo test -p mainspring-sys --release --lib`

    use loom::sync::{Arc, Mutex, Notify};
    use loom::thread;

    use super::Park;

    struct Shared {
        park: Park,
        inbox: Mutex<usize>,
        eventfd: Notify,
    }

    impl Shared {
        fn new() -> Arc<Self> {
            Arc::new(Self { park: Park::new(), inbox: Mutex::new(0), eventfd: Notify::new() })
        }

        fn push(&self) {
            *self.inbox.lock().expect("no thread panics with the inbox held") += 1;
        }

        fn wake(&self) {
            if self.park.wake() {
                self.eventfd.notify();
            }
        }

        /// The consumer's loop, until `count` items have come. Nobody wakes it after that: an item
        /// that is missed leaves it asleep, which loom reports as a deadlock.
        fn consume(&self, count: usize) {
            let mut seen = 0;
            while seen < count {
                if self.park.take() {
                    let mut inbox = self.inbox.lock().expect("no thread panics with the inbox held");
                    seen += std::mem::take(&mut *inbox);
                    continue;
                }
                if self.park.sleep() {
                    self.eventfd.wait();
                    self.park.rise();
                }
            }
        }
    }

    #[test]
    fn nothing_is_lost_from_two_producers() {
        loom::model(|| {
            let shared = Shared::new();
            let producers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        shared.push();
                        shared.wake();
                    })
                })
                .collect();
            shared.consume(2);
            for producer in producers {
                producer.join().expect("a producer does not panic");
            }
        });
    }

    #[test]
    fn nothing_is_lost_from_one_producer_that_wakes_twice() {
        loom::model(|| {
            let shared = Shared::new();
            let producer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    for _ in 0..2 {
                        shared.push();
                        shared.wake();
                    }
                })
            };
            shared.consume(2);
            producer.join().expect("the producer does not panic");
        });
    }

    #[test]
    #[should_panic = "deadlock"]
    fn waking_before_pushing_loses_an_item() {
        loom::model(|| {
            let shared = Shared::new();
            let producer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.wake();
                    shared.push();
                })
            };
            shared.consume(1);
            producer.join().expect("the producer does not panic");
        });
    }
}
