//! A transport whose other end is in the hands of the test: what arrives, and when writing is possible.
use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mainspring::proto::Transport;

/// What both ends see.
pub(crate) struct Wire<I, O> {
    /// Messages that have arrived.
    buffered: VecDeque<I>,
    /// Messages, failures and the end that are still under way.
    pub(crate) incoming: VecDeque<Result<I, ErrorKind>>,
    /// The end follows what is under way.
    pub(crate) ended: bool,
    /// Taken by `send`, not written.
    pub(crate) unwritten: VecDeque<O>,
    /// What the peer has.
    pub(crate) written: Vec<O>,
    /// How many messages may still be written.
    pub(crate) allowed: usize,
    /// How many messages fit into `unwritten`. 0 says "not yet" without a write.
    pub(crate) room: usize,
    /// The connection has failed: writing fails with this.
    pub(crate) broken: Option<ErrorKind>,
    /// Asking for room writes nothing: only a flush makes some.
    pub(crate) lazy: bool,
    /// `send` refuses this message.
    pub(crate) unencodable: Option<O>,
    /// The connection closes after this message.
    pub(crate) last: Option<O>,
    is_last: bool,
    /// How many messages had been sent when the next one was said to be the last.
    pub(crate) before_last: Option<usize>,
    /// A part of a message has arrived.
    pub(crate) partial: bool,
    /// What stands for a message whose rest has not come in time.
    pub(crate) substitute: Option<I>,
    /// How often a flush was asked for.
    pub(crate) flushes: usize,
    /// How many messages were received.
    pub(crate) received: usize,
    /// The writing side is closed.
    pub(crate) closed: bool,
    /// The transport is dropped.
    pub(crate) dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The test's end. Clones are the same wire.
pub(crate) struct Peer<I, O>(Rc<RefCell<Wire<I, O>>>);

/// The end that is handed to what is tested.
pub(crate) struct Mock<I, O>(Rc<RefCell<Wire<I, O>>>);

/// A transport that can be written to freely, and receives nothing yet.
pub(crate) fn mock<I, O>() -> (Peer<I, O>, Mock<I, O>) {
    let wire = Rc::new(RefCell::new(Wire {
        buffered: VecDeque::new(),
        incoming: VecDeque::new(),
        ended: false,
        unwritten: VecDeque::new(),
        written: Vec::new(),
        allowed: usize::MAX,
        room: 16,
        broken: None,
        lazy: false,
        unencodable: None,
        last: None,
        is_last: false,
        before_last: None,
        partial: false,
        substitute: None,
        flushes: 0,
        received: 0,
        closed: false,
        dropped: false,
        reader: None,
        writer: None,
    }));
    (Peer(wire.clone()), Mock(wire))
}

impl<I, O> Peer<I, O> {
    pub(crate) fn wire(&self) -> Ref<'_, Wire<I, O>> {
        self.0.borrow()
    }

    pub(crate) fn wire_mut(&self) -> RefMut<'_, Wire<I, O>> {
        self.0.borrow_mut()
    }

    /// A message is under way.
    pub(crate) fn send(&self, message: I) {
        self.wire_mut().incoming.push_back(Ok(message));
        self.wake_reader();
    }

    /// A message has arrived together with the one before, and lies in the transport's buffer.
    pub(crate) fn buffer(&self, message: I) {
        self.wire_mut().buffered.push_back(message);
    }

    /// A part of a message arrives, or another one. The message that is received next is the whole of it.
    pub(crate) fn send_part(&self) {
        self.wire_mut().partial = true;
        self.wake_reader();
    }

    /// The peer will send no more.
    pub(crate) fn end(&self) {
        self.wire_mut().ended = true;
        self.wake_reader();
    }

    /// What arrives next is not a message.
    pub(crate) fn malformed(&self) {
        self.wire_mut().incoming.push_back(Err(ErrorKind::InvalidData));
        self.wake_reader();
    }

    /// The connection fails in both directions.
    pub(crate) fn reset(&self) {
        self.wire_mut().incoming.push_back(Err(ErrorKind::ConnectionReset));
        self.wake_reader();
        self.break_writing();
    }

    /// Writing fails from now on.
    pub(crate) fn break_writing(&self) {
        self.wire_mut().broken = Some(ErrorKind::BrokenPipe);
        self.wake_writer();
    }

    /// Nothing can be written from now on.
    pub(crate) fn block_writes(&self) {
        self.wire_mut().allowed = 0;
    }

    /// So many messages more can be written.
    pub(crate) fn allow_writes(&self, count: usize) {
        {
            let mut wire = self.wire_mut();
            wire.allowed = wire.allowed.saturating_add(count);
        }
        self.wake_writer();
    }

    fn wake_reader(&self) {
        let waker = self.wire_mut().reader.take();
        waker.into_iter().for_each(Waker::wake);
    }

    fn wake_writer(&self) {
        let waker = self.wire_mut().writer.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<I, O> Wire<I, O> {
    /// Writes what is allowed. Ready once at most `left` messages wait.
    fn poll_write(&mut self, left: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        while self.allowed > 0 && !self.unwritten.is_empty() {
            self.allowed -= 1;
            self.written.extend(self.unwritten.pop_front());
        }
        if self.unwritten.len() <= left {
            return Poll::Ready(Ok(()));
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<I, O: PartialEq> Transport<O> for Mock<I, O> {
    type Incoming = I;
    type Error = io::Error;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<I>>> {
        let mut wire = self.0.borrow_mut();
        if let Some(message) = wire.buffered.pop_front() {
            wire.received += 1;
            return Poll::Ready(Some(Ok(message)));
        }
        match wire.incoming.pop_front() {
            Some(Ok(message)) => {
                wire.received += 1;
                wire.partial = false;
                Poll::Ready(Some(Ok(message)))
            }
            Some(Err(kind)) => Poll::Ready(Some(Err(kind.into()))),
            None if wire.ended => Poll::Ready(None),
            None => {
                wire.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn receive_buffered(&mut self) -> Option<io::Result<I>> {
        let mut wire = self.0.borrow_mut();
        let message = wire.buffered.pop_front()?;
        wire.received += 1;
        Some(Ok(message))
    }

    fn has_partial(&self) -> bool {
        self.0.borrow().partial
    }

    fn give_up(&mut self) -> Option<I> {
        self.0.borrow_mut().substitute.take()
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        if wire.broken.is_none() && wire.unwritten.len() < wire.room {
            return Poll::Ready(Ok(()));
        }
        if wire.lazy || wire.room == 0 {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let left = wire.room - 1;
        wire.poll_write(left, cx)
    }

    fn send(&mut self, message: O) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        assert!(wire.unwritten.len() < wire.room, "a message was sent without asking for room");
        if wire.unencodable.as_ref() == Some(&message) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "unencodable"));
        }
        wire.is_last = wire.last.as_ref() == Some(&message);
        wire.unwritten.push_back(message);
        Ok(())
    }

    fn before_last(&mut self) {
        let mut wire = self.0.borrow_mut();
        let sent = wire.written.len() + wire.unwritten.len();
        assert_eq!(wire.before_last.replace(sent), None, "the last message was announced twice");
    }

    fn is_last(&self) -> bool {
        self.0.borrow().is_last
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        wire.flushes += 1;
        let waiting = wire.unwritten.len();
        let written = wire.poll_write(0, cx);
        if wire.lazy && wire.unwritten.len() < waiting {
            let waker = wire.writer.take();
            drop(wire);
            waker.into_iter().for_each(Waker::wake);
        }
        written
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        let written = wire.poll_write(0, cx);
        wire.closed |= matches!(written, Poll::Ready(Ok(())));
        written
    }
}

impl<I, O> Drop for Mock<I, O> {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}

impl<I, O> Clone for Peer<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
