//! A future that is polled as an executor would: only when it was woken.
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::counting_waker::CountingWaker;

/// A future and its waker: polled only when it was woken.
pub(crate) struct Task<T> {
    pub(crate) future: Option<Pin<Box<dyn Future<Output = T>>>>,
    pub(crate) waker: Arc<CountingWaker>,
    polls: usize,
}

impl<T> Task<T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self { future: Some(Box::pin(future)), waker: CountingWaker::new(), polls: 0 }
    }

    /// Polls as often as it was woken, and for the first time. The output, once.
    pub(crate) fn run(&mut self) -> Option<T> {
        loop {
            let woken = self.waker.woken();
            if self.polls > 0 && self.polls > woken {
                return None;
            }
            self.polls = woken + 1;
            if let Poll::Ready(output) = self.waker.poll(self.future.as_mut()?) {
                self.future = None;
                return Some(output);
            }
        }
    }

    /// Polls although it may not have been woken, and then as `run`.
    pub(crate) fn run_spuriously(&mut self) -> Option<T> {
        self.polls = 0;
        self.run()
    }
}
