//! Waiting for a future on a thread that runs no reactor, parked.
//!
//! For the calls that a program of plain threads makes: [`Handle::call`](crate::Handle::call), and the end of
//! [`Workers`](crate::Workers). The future must be one that other threads wake, a channel or a token; a source or a
//! timer would need a reactor. A condition variable of each caller's own was turned down: channels have wakers already.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Blocks this thread until `future` is ready: its output, or none if `until` has come first. No instant is for ever.
pub(crate) fn parked<F: Future>(mut future: Pin<&mut F>, until: Option<Instant>) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        // Either may return without a reason; then nothing is found, and it is called again.
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
