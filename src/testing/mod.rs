//! Tests in virtual time: an hour of timeouts in a millisecond, and a test that hangs says who.
//!
//! [`run`] is called inside a plain `#[test]`. It runs the future on a reactor of its own, whose clock jumps to the
//! next deadline as soon as nothing is left to do at the present time, so a test waits for no timer, and measures times
//! that are never short and at most one tick of the wheel long, 33 µs:
//!
//! ```
//! use mainspring::{spawn, testing, time::{Instant, sleep, timeout}};
//! use std::time::Duration;
//!
//! // #[test]
//! fn a_slow_answer_is_given_up_after_a_minute() {
//!     testing::run(async {
//!         let start = Instant::now();
//!         let slow = sleep(Duration::from_secs(3600));
//!         assert!(timeout(Duration::from_secs(60), slow).await.is_err());
//!         assert_eq!(start.elapsed().as_secs(), 60);
//!     })
//! }
//! # a_slow_answer_is_given_up_after_a_minute()
//! ```
//!
//! # When a test fails
//!
//! * When the future panics, as in any test.
//! * When a task panics: an `assert!` in a server that was spawned ends the test, with the name of the task.
//! * When it has not ended after 60 s of *real* time. The failure tells whether anything was runnable, how many timers
//!   and waits there were, and the names of the tasks that were alive ([`spawn_named`](crate::task::spawn_named)).
//! * If [asked](Test::all_tasks_end), when tasks are left at the end.
//!
//! That a reactor has nothing to do is no failure by itself: whoever holds a waker, on any thread, may still call it,
//! and a waker is a number that nobody counts.
//!
//! # By hand
//!
//! With [`Clock::manual`](crate::time::Clock::manual) the time stands still until it is [told](advance) to move, for
//! tests of what happens in between:
//!
//! ```
//! use mainspring::{spawn, testing::{Test, advance, settle}, time::{Clock, sleep}};
//! use std::time::Duration;
//!
//! Test::new().clock(Clock::manual()).run(async {
//!     let task = spawn(sleep(Duration::from_secs(10)));
//!     advance(Duration::from_millis(9_999)).await;
//!     assert!(!task.is_finished());
//!     advance(Duration::from_millis(1)).await;
//!     assert!(task.is_finished());
//! });
//! ```
//!
//! # What virtual time cannot know
//!
//! The clock jumps when this reactor has nothing to do. A peer on another thread, or in another process, lives in real
//! time: what it has not answered yet looks like silence, and a deadline passes at once. Put both ends on one reactor,
//! where an answer over loopback comes before the time moves, or take the system's clock
//! (`Test::new().clock(Clock::os())`). Jobs of [`unblock`](fn@crate::unblock) are waited for, so one that itself waits
//! for a time of this reactor, in a [`Handle::call`](crate::Handle::call) of a `sleep`, never ends.
//!
//! In the guide: [testing](mod@crate::guide::testing).

mod settle;
mod test;

pub use settle::{Settle, advance, settle};
pub use test::Test;

/// Runs a test in virtual time, and returns its output: [`Test::new`]`().`[`run`](Test::run)`(future)`.
///
/// # Panics
///
/// Those of [`Test::run`].
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    Test::new().run(future)
}
