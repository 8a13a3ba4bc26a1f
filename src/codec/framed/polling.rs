//! The poll and async styles of [`Framed`].
//!
//! `Stream` combinators, the clients and servers of [`crate::proto`] and `async` functions come in here. The
//! work is that of the tick style; what is added is the scope: each operation on the source happens with
//! the waker of the caller's `Context` in it, so "not yet" records whom to wake.
//!
//! It guarantees that pending means "recorded": a source that says "not yet" without recording the wait
//! becomes an error, where a future that is never woken would hang.
//!
//! The async methods are wrappers of the poll ones, so dropping their futures loses nothing. Futures with
//! names were turned down: they would be six types for what `poll_fn` says in a line each.
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Framed;
use crate::account::Outcome;
use crate::codec::{Decoder, Encoder, HalfClose, Next};
use crate::scope;

impl<T: Read, C: Decoder> Framed<T, C> {
    /// The next item; `None` is the end.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<C::Item, C::Error>>> {
        ready!(scope::poll_admit(cx));
        let Self { io, codec, incoming, owner, .. } = self;
        // Why first, and outside the scope: most bytes that have arrived are whole frames, and only the source has
        // waits.
        if let Some(answer) = incoming.advance_arrived(codec) {
            scope::spend();
            return Poll::Ready(Some(answer));
        }
        let (answer, outcome) = owner.enter(cx.waker(), || incoming.advance(io, codec));
        if incoming.broken {
            self.outgoing.give_up();
        }
        let answer = match answer {
            Ok(Next::Item(item)) => Some(Ok(item)),
            Ok(Next::End) => None,
            Ok(Next::NotYet) => match check(outcome) {
                Ok(()) => return Poll::Pending,
                Err(error) => {
                    self.incoming.end();
                    Some(Err(error.into()))
                }
            },
            Err(error) => Some(Err(error)),
        };
        scope::spend();
        Poll::Ready(answer)
    }

    /// The next item; `None` is the end.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: bytes of an unfinished frame stay in the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use mainspring::codec::{Framed, Lines};
    /// use std::io::{self, Read};
    ///
    /// async fn count<T: Read>(source: T) -> io::Result<usize> {
    ///     let (mut lines, mut count) = (Framed::new(source, Lines::new()), 0);
    ///     while let Some(line) = lines.next().await {
    ///         count += line?.len();
    ///     }
    ///     Ok(count)
    /// }
    /// # assert_eq!(futures::executor::block_on(count(io::Cursor::new("a\nbc\n")))?, 3);
    /// # Ok::<(), io::Error>(())
    /// ```
    pub async fn next(&mut self) -> Option<Result<C::Item, C::Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl<T: Read, C> Framed<T, C> {
    /// Throws away what still arrives, until the end: see
    /// [`Transport::poll_linger`](crate::proto::Transport::poll_linger).
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { io, incoming, owner, .. } = self;
        let (is_over, outcome) = owner.enter(cx.waker(), || incoming.linger(io));
        // Why ready without a byte: nothing is unread, and a peer that is silent is not waited for. A refusal says
        // nothing of what the source has.
        let waits = outcome.refused() || outcome.blocked() && self.incoming.thrown_away > 0;
        if is_over || !waits { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<T: Write, C> Framed<T, C> {
    /// Waits for room for one item.
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready).
    #[inline]
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, outgoing, owner, .. } = self;
        if outgoing.grant() {
            return Poll::Ready(Ok(()));
        }
        let (answer, outcome) = owner.enter(cx.waker(), || outgoing.ready(io));
        settle(answer, outcome)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready).
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, outgoing, owner, .. } = self;
        let (answer, outcome) = owner.enter(cx.waker(), || outgoing.flush(io));
        settle(answer, outcome)
    }

    /// Waits for room for one item, for [`start_send`](Self::start_send).
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn ready(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// Writes an item and waits until everything is written.
    ///
    /// To write many with few system calls, use [`ready`](Self::ready) and [`start_send`](Self::start_send)
    /// for each, and [`flush`](Self::flush) at the end.
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready) and [`start_send`](Self::start_send).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before there was room, `item` is dropped with it. After that, it leaves with
    /// the next flush.
    ///
    /// # Examples
    ///
    /// ```
    /// use mainspring::codec::{Framed, Lines};
    /// use std::io::{self, Write};
    ///
    /// async fn greet<T: Write>(io: T) -> io::Result<()> {
    ///     Framed::new(io, Lines::new()).send("hello").await
    /// }
    /// # let mut output = Vec::new();
    /// # futures::executor::block_on(greet(&mut output))?;
    /// # assert_eq!(output, b"hello\n");
    /// # Ok::<(), io::Error>(())
    /// ```
    pub async fn send<I>(&mut self, item: I) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        self.ready().await?;
        self.start_send(item)?;
        Ok(self.flush().await?)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    ///
    /// As [`try_ready`](Self::try_ready).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next flush goes on where it stopped.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }
}

impl<T: Write + HalfClose, C> Framed<T, C> {
    /// Waits until everything is written, then closes the writing side. Reading goes on.
    ///
    /// # Errors
    ///
    /// As [`try_shutdown`](Self::try_shutdown).
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, outgoing, owner, .. } = self;
        let (answer, outcome) = owner.enter(cx.waker(), || outgoing.shutdown(io));
        settle(answer, outcome)
    }

    /// Waits until everything is written, then closes the writing side. Reading goes on.
    ///
    /// # Errors
    ///
    /// As [`try_shutdown`](Self::try_shutdown).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_shutdown(cx)).await
    }
}

impl<T: Read, C: Decoder> Stream for Framed<T, C> {
    type Item = Result<C::Item, C::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self.get_mut(), cx)
    }
}

/// Turns the answer of a writing operation into a poll: done, not done, failed.
#[inline]
pub(in crate::codec) fn settle(answer: io::Result<bool>, outcome: Outcome) -> Poll<io::Result<()>> {
    match answer {
        Ok(true) => Poll::Ready(Ok(())),
        Ok(false) => match check(outcome) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        },
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// Refuses a "not yet" that nobody will be woken from.
#[inline]
pub(in crate::codec) fn check(outcome: Outcome) -> io::Result<()> {
    if outcome.blocked() || outcome.refused() {
        return Ok(());
    }
    let message = "the source says `WouldBlock` and records no wait, so it is not one of this reactor";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    use super::*;
    use crate::codec::Lines;

    /// Says "not yet" until it is opened, and records the waker of the scope as a socket does.
    #[derive(Default)]
    struct Gate {
        open: bool,
        recorded: Vec<Waker>,
    }

    impl Gate {
        fn pass(&mut self) -> io::Result<()> {
            if self.open {
                return Ok(());
            }
            scope::blocked(|waker| self.recorded.push(waker.clone()));
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl Read for Gate {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.pass()?;
            buffer[..2].copy_from_slice(b"a\n");
            Ok(2)
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.pass().map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl HalfClose for Gate {
        fn shutdown_write(&mut self) -> io::Result<()> {
            self.pass()
        }
    }

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn each_pending_operation_records_the_waker_of_its_caller() {
        type Operation = fn(&mut Framed<Gate, Lines>, &mut Context<'_>) -> bool;
        let operations: [Operation; 4] = [
            |framed, cx| framed.poll_next(cx).is_ready(),
            |framed, cx| framed.poll_ready(cx).is_ready(),
            |framed, cx| framed.poll_flush(cx).is_ready(),
            |framed, cx| framed.poll_shutdown(cx).is_ready(),
        ];
        for operation in operations {
            let mut framed = Framed::new(Gate::default(), Lines::new()).watermarks(0, 1);
            framed.try_send("b").unwrap().unwrap();
            let waker = Waker::from(Arc::new(Nobody));
            let mut cx = Context::from_waker(&waker);
            assert!(!operation(&mut framed, &mut cx));
            let recorded = std::mem::take(&mut framed.io_mut().recorded);
            assert!(recorded.len() == 1 && recorded[0].will_wake(&waker), "{recorded:?}");
            framed.io_mut().open = true;
            assert!(operation(&mut framed, &mut cx));
        }
    }
}
