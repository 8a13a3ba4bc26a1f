//! Word that it is time to end, from one place to many, on any thread.
//!
//! A token is cancelled once and stays so. A child is cancelled with its parent and not the other way round, so that a
//! tree of tokens follows the parts of a program. What hears of it ends in its own time: nothing is dropped or
//! interrupted, as an abort would.
//!
//! One type for tasks and threads: a lock that nobody contends costs less than a second type to choose from. Children
//! are known to their parents weakly and take themselves out when they are dropped, so a server whose every connection
//! has a child of one token holds room for as many as there were at a time. Trees of any depth are walked in loops, not
//! by recursion.
//!
//! A token is cancelled if it or an ancestor is marked so, which is one flag whatever is below it: so nobody finds a
//! parent cancelled and its child not, also not a waker that is called before the walk has come to that child. One lock
//! for a whole tree would do as well; then each connection of each thread would take the same.

use std::fmt;
use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::channel::wait::poll_locked;
use crate::locks::{AtomicBool, Mutex, Ordering};
use crate::pin::{Projected, Step};
use crate::scope;
use crate::wake::wake;

/// Tells tasks and threads that it is time to end. Clones are the same token.
///
/// ```
/// use mainspring::task::CancellationToken;
///
/// let server = CancellationToken::new();
/// let connection = server.child();
/// let told = connection.clone();
/// let other = std::thread::spawn(move || mainspring::run(told.cancelled()));
/// server.cancel();
/// assert!(connection.is_cancelled());
/// other.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    /// What clones share.
    node: Arc<Node>,
}

/// One token, whatever the number of its clones.
struct Node {
    /// Whose child it is, and by which key; none of a root, and of one born cancelled.
    parent: Option<(Arc<Self>, usize)>,
    /// Set once it was cancelled, under the lock; one whose ancestor was may not have it yet.
    cancelled: AtomicBool,
    /// The rest.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who waits, by key. Empty, and stays so, once it is cancelled: a key that comes later names nobody.
    waiters: Slab<Option<Waker>>,
    /// Who is to be cancelled too, by key. The same.
    children: Slab<Weak<Node>>,
}

impl CancellationToken {
    /// One that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self { node: Arc::new(Node::new(None, false)) }
    }

    /// One that is cancelled with this one, and whose own cancellation this one does not hear of. Whoever asks it, or
    /// waits for it, looks at each of its ancestors.
    #[must_use]
    pub fn child(&self) -> Self {
        let mut state = self.node.state.lock();
        // Its own mark will do: the walk of a cancellation that has not come here yet finds this child.
        if self.node.cancelled.load(Ordering::Acquire) {
            drop(state);
            return Self { node: Arc::new(Node::new(None, true)) };
        }
        let entry = state.children.vacant_entry();
        let node = Arc::new(Node::new(Some((self.node.clone(), entry.key())), false));
        entry.insert(Arc::downgrade(&node));
        Self { node }
    }

    /// Cancels it and its children, at one moment, and then wakes all who wait. The second time nothing happens.
    pub fn cancel(&self) {
        let mut left = vec![self.node.clone()];
        while let Some(node) = left.pop() {
            let mut state = node.state.lock();
            node.cancelled.store(true, Ordering::Release);
            let waiters = std::mem::take(&mut state.waiters);
            let children = std::mem::take(&mut state.children);
            drop(state);
            wake(waiters.into_iter().filter_map(|(_, waiter)| waiter));
            left.extend(children.into_iter().filter_map(|(_, child)| child.upgrade()));
        }
    }

    /// Whether it was cancelled. Records nothing.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Waits until it is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is lost, and no waker is left behind.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { node: self.node.clone(), key: None, done: false }
    }

    /// Runs `future` until it ends or this is cancelled: `None` then. An output that is there at the same moment wins.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    ///
    /// ```
    /// use mainspring::task::CancellationToken;
    ///
    /// mainspring::run(async {
    ///     let token = CancellationToken::new();
    ///     assert_eq!(token.until_cancelled(async { 1 }).await, Some(1));
    ///     token.cancel();
    ///     assert_eq!(token.until_cancelled(std::future::pending::<()>()).await, None);
    /// })
    /// # .unwrap();
    /// ```
    pub fn until_cancelled<F: Future>(&self, future: F) -> impl Future<Output = Option<F::Output>> + use<F> {
        Projected::new(future, self.cancelled())
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

impl Node {
    fn new(parent: Option<(Arc<Self>, usize)>, cancelled: bool) -> Self {
        Self { parent, cancelled: AtomicBool::new(cancelled), state: Mutex::default() }
    }

    /// Whether it was cancelled, or an ancestor.
    fn is_cancelled(&self) -> bool {
        let mut line = iter::successors(Some(self), |node| node.parent.as_ref().map(|(parent, _)| &**parent));
        line.any(|node| node.cancelled.load(Ordering::Acquire))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some((node, key)) = parent {
            let child = node.state.lock().children.try_remove(key);
            drop(child);
            // Why in a loop: a chain of tokens, each held by its child alone, would be dropped by recursion.
            parent = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}

/// The future of [`CancellationToken::cancelled`]. Once ready it stays so.
#[must_use = "futures do nothing unless polled"]
pub struct Cancelled {
    /// The token.
    node: Arc<Node>,
    /// Under which it waits, if it does.
    key: Option<usize>,
    /// Set once it has heard of it.
    done: bool,
}

impl Cancelled {
    /// A try in the style of a tick: `None` is "not yet", and the running task is woken when the token is cancelled.
    /// Keep the same `Cancelled` from tick to tick: it is progress once, so a task that asks in each tick, and waits
    /// for other things meanwhile, sleeps. Outside a tick nobody is woken.
    pub fn try_wait(&mut self) -> Option<()> {
        if self.done {
            return Some(());
        }
        scope::attempt(|waker| self.poll_with(waker))
    }

    fn poll_with(&mut self, waker: Option<&Waker>) -> Poll<()> {
        let Self { node, key, done } = self;
        poll_locked(&node.state, waker, |state| {
            if node.is_cancelled() {
                // The key stays: the walk may not have come here yet, and then the drop takes the waker out.
                *done = true;
                return Ok(());
            }
            let held = *key.get_or_insert_with(|| state.waiters.insert(None));
            Err(&mut state.waiters[held])
        })
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        scope::poll(cx, |waker| self.poll_with(waker))
    }
}

impl<F: Future> Step<F> for Cancelled {
    type Output = Option<F::Output>;

    fn step(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        // Without the budget: a future that spends all of it must hear of its end all the same.
        self.poll_with(Some(cx.waker())).map(|()| None)
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waiter = self.node.state.lock().waiters.try_remove(key);
            drop(waiter);
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("waits", &(self.key.is_some() && !self.done)).finish_non_exhaustive()
    }
}
