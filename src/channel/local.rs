//! The same channels between tasks of one thread: no lock, no atomic operation, and values that need not be `Send`.
//!
//! For the tasks of one reactor. What is said of [`mpsc`](super::mpsc) and of [`oneshot`](super::oneshot) holds here;
//! the ends are the same types, of another [`Reach`](super::Reach), and so one import makes the difference. An end that
//! is taken to another thread does not compile:
//!
//! ```compile_fail,E0277
//! let (sender, _receiver) = mainspring::channel::local::mpsc::bounded::<u8>(1);
//! std::thread::spawn(move || sender.try_send(1));
//! ```
//!
//! The trade-off: code that may run on several threads some day has to be changed then. Where the channel is not on the
//! path of each request, the channels between threads are the better choice: their locks are not contended.

/// A queue from many senders to one receiver, on one thread: as [`channel::mpsc`](crate::channel::mpsc).
pub mod mpsc {
    use crate::channel::{OneThread, mpsc};

    pub use mpsc::{SendError, TrySendError};

    /// The end that sends values.
    pub type Sender<T> = mpsc::Sender<T, OneThread>;
    /// The end that receives values.
    pub type Receiver<T> = mpsc::Receiver<T, OneThread>;

    /// Makes a queue that holds at most `bound` values: [`mpsc::bounded`].
    ///
    /// # Panics
    ///
    /// Panics if `bound` is zero.
    ///
    /// ```
    /// use mainspring::channel::local::mpsc;
    /// use std::rc::Rc;
    ///
    /// mainspring::run(async {
    ///     let (sender, mut receiver) = mpsc::bounded(1);
    ///     let task = mainspring::spawn(async move {
    ///         sender.send(Rc::new(1)).await.unwrap();
    ///         sender.send(Rc::new(2)).await.unwrap();
    ///     });
    ///     assert_eq!(receiver.recv().await.as_deref(), Some(&1));
    ///     assert_eq!(receiver.recv().await.as_deref(), Some(&2));
    ///     task.await.unwrap();
    /// })
    /// # .unwrap();
    /// ```
    #[must_use]
    pub fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
        mpsc::channel(Some(mpsc::checked(bound)))
    }

    /// Makes a queue without a bound: [`mpsc::unbounded`].
    ///
    /// ```
    /// let (sender, mut receiver) = mainspring::channel::local::mpsc::unbounded();
    /// sender.try_send('a').unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(Some('a')));
    /// ```
    #[must_use]
    pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
        mpsc::channel(None)
    }
}

/// One value, from one sender to one receiver, on one thread: as [`channel::oneshot`](crate::channel::oneshot).
pub mod oneshot {
    use crate::channel::{OneThread, oneshot};

    /// The end that sends the value.
    pub type Sender<T> = oneshot::Sender<T, OneThread>;
    /// The end that receives the value: a future.
    pub type Receiver<T> = oneshot::Receiver<T, OneThread>;

    /// Makes a channel for one value: [`oneshot::channel`].
    ///
    /// ```
    /// use mainspring::channel::local::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// sender.send(7).unwrap();
    /// assert_eq!(futures::executor::block_on(receiver), Ok(7));
    /// ```
    #[must_use]
    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        oneshot::make()
    }
}
