//! Panics of users' code that end where they come up: in a waker that is called, in something that is dropped.
//!
//! The loop, the threads for blocking work and whatever wakes many calls such code through [`contain`], so that a panic
//! in one does not skip the rest. Panics of tasks are not among these: they go to a `JoinHandle`, payload and all.
//!
//! A payload is a user's value too, and may panic when it is dropped, with another payload. That second one is leaked:
//! to drop it could go on for ever, and a process that was made to end by such a drop, as std does for its threads,
//! would be ended by one connection for all.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`; true if it has panicked.
pub(crate) fn contain(f: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return false };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
    true
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
