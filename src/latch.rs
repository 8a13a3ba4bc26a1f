//! A condition that becomes true once, and whoever waits for it, on one reactor.
//!
//! [`Serving`](crate::server::Serving) has two: one says that the server drains, the other that a connection has ended
//! or a listener failed. Connections see the first as a [`Draining`]. [`Pressure`](crate::proto::Pressure) has one that
//! is never set, by which connections hear that it has risen. Whoever waits is woken by the waker of its last poll,
//! once per wake; once set, every poll is ready. Wakers are cloned, woken and dropped with nothing borrowed, and one
//! that panics skips nobody.
//!
//! It is awaited by any number, none of which the latch has to know beforehand. A oneshot channel per connection would
//! be a list of senders to keep in step with the connections; a watch channel would carry a value that nobody needs.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::pin::{Projected, Step};
use crate::wake::wake;

/// Set once, and awaited by any number.
#[derive(Default)]
pub(crate) struct Latch {
    /// Whether it was set.
    set: Cell<bool>,
    /// Who waits; none in the place of one that was woken and has not been polled since.
    waiters: RefCell<Slab<Option<Waker>>>,
}

impl Latch {
    pub(crate) fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Sets it and wakes everyone.
    pub(crate) fn set(&self) {
        self.set.set(true);
        self.wake();
    }

    /// Wakes everyone, to look at something else that is checked beside the latch. A panic in one waker does not skip
    /// the rest, and is counted.
    pub(crate) fn wake(&self) {
        let wakers: Vec<Waker> = self.waiters.borrow_mut().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        wake(wakers);
    }
}

/// Waits for the moment in which its server is asked to drain.
///
/// A connection that hears of it takes no further request, answers those it has, and ends.
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
///
/// ```
/// use mainspring::{Server, net::TcpStream};
/// use std::time::Duration;
///
/// mainspring::run(async {
///     let server = Server::bind("127.0.0.1:0")?;
///     let _client = TcpStream::connect(server.local_addr()).await?;
///     let serving = server.serve(|connection| async move {
///         connection.draining.await;
///         connection.stream.write_all(b"good bye").await
///     })?;
///     assert_eq!(serving.drain(Duration::from_secs(1)).await.finished, 1);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct Draining {
    /// The server's.
    latch: Rc<Latch>,
    /// Its place among the waiters.
    key: Option<usize>,
}

impl Draining {
    pub(crate) const fn new(latch: Rc<Latch>) -> Self {
        Self { latch, key: None }
    }

    /// Whether the server has been asked already.
    pub fn is_draining(&self) -> bool {
        self.latch.is_set()
    }

    /// Runs `future` until it ends or the server is asked to drain: `None` then, and the future is dropped, with what
    /// it has done so far. An output that is there at the same moment wins; so a loop over what is never out of bytes
    /// looks at [`is_draining`](Self::is_draining) too.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    ///
    /// ```
    /// use mainspring::server::Connection;
    /// use std::io;
    ///
    /// /// An echo that ends when the server drains.
    /// async fn echo(connection: Connection) -> io::Result<()> {
    ///     let Connection { stream, mut draining, .. } = connection;
    ///     let mut buffer = [0; 4096];
    ///     while let Some(count) = draining.until(stream.read(&mut buffer)).await.transpose()?.filter(|&count| count > 0) {
    ///         stream.write_all(&buffer[..count]).await?;
    ///     }
    ///     Ok(())
    /// }
    /// # mainspring::run(async {
    /// #     let server = mainspring::Server::bind("127.0.0.1:0")?;
    /// #     let client = mainspring::net::TcpStream::connect(server.local_addr()).await?;
    /// #     let serving = server.serve(echo)?;
    /// #     client.write_all(b"ping").await?;
    /// #     assert_eq!(client.read(&mut [0; 8]).await?, 4);
    /// #     assert_eq!(serving.drain(std::time::Duration::from_secs(5)).await.finished, 1);
    /// #     io::Result::Ok(())
    /// # })??;
    /// # io::Result::Ok(())
    /// ```
    pub fn until<F: Future>(&mut self, future: F) -> impl Future<Output = Option<F::Output>> + use<'_, F> {
        Projected::new(future, self)
    }

    /// Waits by another waker than before.
    #[cold]
    fn exchange(&mut self, waker: &Waker) {
        // Why in this order: wakers are cloned and dropped with nothing borrowed.
        let waker = Some(waker.clone());
        let _replaced = match self.key {
            Some(key) => Some(std::mem::replace(&mut self.latch.waiters.borrow_mut()[key], waker)),
            None => {
                self.key = Some(self.latch.waiters.borrow_mut().insert(waker));
                None
            }
        };
    }
}

impl Clone for Draining {
    fn clone(&self) -> Self {
        Self::new(self.latch.clone())
    }
}

impl Future for Draining {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.latch.is_set() {
            return Poll::Ready(());
        }
        if let Some(key) = self.key {
            if let Some(Some(known)) = self.latch.waiters.borrow().get(key) {
                if known.will_wake(cx.waker()) {
                    return Poll::Pending;
                }
            }
        }
        self.exchange(cx.waker());
        Poll::Pending
    }
}

impl<F: Future> Step<F> for &mut Draining {
    type Output = Option<F::Output>;

    fn step(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut **self).poll(cx).map(|()| None),
        }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.latch.waiters.borrow_mut().try_remove(key);
            drop(waker);
        }
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").field("is_draining", &self.is_draining()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_waker_of_the_last_poll_is_woken_and_kept_once() {
        let latch = Rc::new(Latch::default());
        let mut draining = Draining::new(latch.clone());
        let counts: [Arc<Count>; 2] = Default::default();
        let mut poll = |count: &Arc<Count>| {
            let waker = Waker::from(count.clone());
            Pin::new(&mut draining).poll(&mut Context::from_waker(&waker))
        };
        for count in [&counts[0], &counts[0], &counts[1], &counts[1]] {
            assert!(poll(count).is_pending());
            assert_eq!(Arc::strong_count(count), 2, "the latch has one");
        }
        assert_eq!(Arc::strong_count(&counts[0]), 1, "it was replaced");
        latch.set();
        assert_eq!(counts.each_ref().map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        assert!(poll(&counts[1]).is_ready());
    }
}
