//! Ends a selector's wait from any thread.
//!
//! Made by [`Selector::waker`](crate::Selector::waker). A wake costs one atomic swap; the kernel is
//! asked only if the selector sleeps, and once per sleep. The state machine and why it loses nothing
//! stand in `park.rs`; what is written stands in the backend, as `Alarm`.
//!
//! Each clone keeps what it writes to open, so a wake after the selector is gone writes into an object
//! that nobody reads, and never into a stranger's descriptor of the same number. Turned down: a raw
//! descriptor number per clone, which saves the reference count and does exactly that.

use std::sync::Arc;

use crate::backend::Alarm;
use crate::park::Park;

/// Wakes one selector. Clones share the selector's one token.
///
/// ```
/// use mainspring_sys::{Events, OsSelector, Selector};
///
/// # fn main() -> std::io::Result<()> {
/// let selector = OsSelector::new()?;
/// let waker = selector.waker()?;
/// std::thread::spawn({
///     let waker = waker.clone();
///     move || waker.wake()
/// });
///
/// let mut events = Events::with_capacity(8);
/// while !waker.take() {
///     selector.select(&mut events, None)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Waker {
    /// The same for all clones and for the selector, which holds a waker too.
    shared: Arc<Shared>,
}

/// What a selector and its wakers share.
#[derive(Debug)]
struct Shared {
    /// Whether the selector sleeps, and the token.
    park: Park,
    /// What to write to if it does.
    alarm: Alarm,
}

impl Waker {
    pub(crate) fn new(alarm: Alarm) -> Self {
        Self { shared: Arc::new(Shared { park: Park::new(), alarm }) }
    }

    /// Leaves the token, and ends the wait if there is one: the current `select`, or the next one that
    /// would wait, returns. Push what the wake is about before it.
    ///
    /// Never blocks, and is harmless when the selector is gone.
    #[inline]
    pub fn wake(&self) {
        if self.shared.park.wake() {
            self.ring();
        }
    }

    /// Consumes the token; true if there was one. For the thread that selects, which then looks at what
    /// the wake was about. Until it is consumed no `select` waits.
    #[inline]
    pub fn take(&self) -> bool {
        self.shared.park.take()
    }

    #[cold]
    fn ring(&self) {
        // Why the result is dropped: it is an error only if the descriptor was closed behind the
        // selector's back, which the next `select` reports to whoever can do something about it.
        let _ = self.shared.alarm.ring();
    }

    #[inline]
    pub(crate) fn park(&self) -> &Park {
        &self.shared.park
    }

    #[inline]
    pub(crate) fn alarm(&self) -> &Alarm {
        &self.shared.alarm
    }
}
