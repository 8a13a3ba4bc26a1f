//! Panics of users' code that end where they come up: in a waker that is called, in something that is dropped.
//!
//! The loop, the threads for blocking work and whatever wakes many calls such code through [`contain`], so that a panic
//! in one does not skip the rest. Panics of tasks are not among these: they go to a `JoinHandle`, payload and all.
//!
//! A payload is a user's value too, and may panic when it is dropped, with another payload. The message of that panic
//! is dropped in its turn; of payloads that go on like that, the last is leaked: to drop them could go on for ever, and
//! a process that was made to end by such a drop, as std does for its threads, would be ended by one connection for
//! all.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many payloads are dropped one after the other, each the panic of the drop before: the panic itself, what its
/// payload says when it is dropped, and one to spare.
const PAYLOADS_MAX: usize = 3;

/// Calls `f`; true if it has panicked.
pub(crate) fn contain(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => false,
        Err(payload) => {
            drop_payload(payload);
            true
        }
    }
}

#[cold]
fn drop_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..PAYLOADS_MAX {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    mem::forget(payload);
}

#[cfg(test)]
mod tests {
    use super::contain;
    use std::panic::resume_unwind;

    struct Chain(u32);

    impl Drop for Chain {
        fn drop(&mut self) {
            if self.0 > 0 {
                resume_unwind(Box::new(Self(self.0 - 1)));
            }
        }
    }

    #[test]
    fn nothing_comes_out_of_payloads_within_payloads() {
        assert!(!contain(|| ()));
        for depth in 0..5 {
            assert!(contain(|| resume_unwind(Box::new(Chain(depth)))));
        }
    }
}
