//! A pinned future and the unpinned state beside it: what the built-in filters are made of; and one of two futures, in
//! the same memory.
//!
//! A filter that waits with more than its inner future (a deadline, a permit, a counter) needs one struct of both, and
//! needs to reach the future pinned and the rest mutably. That projection is unsafe in Rust without a macro, so it
//! stands here, once, and is safe to call.
//!
//! `Projected<F, S>` is itself a future wherever its state implements `Step<F>`. A filter therefore writes a state and
//! its `step`, and returns `Projected` as `impl Future`; it never projects a struct of its own. The alternative, a
//! named public future around a private `Projected`, would need a second projection and a second unsafe block in each
//! filter. An `async` block needs neither, but holds its inner future twice: once as a capture, once as the awaited
//! value.
//!
//! `OneOf<A, B>` is what comes one after the other, or one instead of the other: side by side, every call would hold
//! the room for both. `Later` is a call that begins when its filter lets it, `Stages` is what a task is made of: a
//! future, and then its output.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a state does each time the future beside it is polled.
pub(crate) trait Step<F> {
    /// What the whole future resolves to.
    type Output;

    /// Polls `inner` and whatever the state itself waits for.
    fn step(&mut self, inner: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

/// A future that is pinned with the struct, and a state that is not.
///
/// It has no `Drop`, so a drop never sees `inner` unpinned.
pub(crate) struct Projected<F, S> {
    /// Structurally pinned: reached through `project` alone, never moved and never lent out as `&mut F`.
    inner: F,
    /// Never pinned, whatever its type: lent out as `&mut S`.
    state: S,
}

// Why by hand? The derived one would ask `S: Unpin` too, but no `Pin<&mut S>` is ever made.
impl<F: Unpin, S> Unpin for Projected<F, S> {}

impl<F, S> Projected<F, S> {
    /// Puts `inner` and `state` side by side; `inner` may still move until the whole is pinned.
    pub(crate) const fn new(inner: F, state: S) -> Self {
        Self { inner, state }
    }

    /// The future, pinned, and the state.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn project(self: Pin<&mut Self>) -> (Pin<&mut F>, &mut S) {
        // SAFETY: the reference does not leave this function, which moves out of neither field.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `inner` is pinned as long as `self` is: the field is private to this file, which never moves it and
        // lends it as `Pin` alone; `Projected` has no `Drop`, is not `repr(packed)`, and is `Unpin` only if `F` is.
        let inner = unsafe { Pin::new_unchecked(&mut this.inner) };
        (inner, &mut this.state)
    }
}

/// One of two that are pinned; `Pin::set` puts the other in its place.
///
/// It has no `Drop`, so a drop never sees either unpinned.
pub(crate) enum OneOf<A, B> {
    /// Structurally pinned: reached through `project` alone, and dropped where it is.
    First(A),
    /// The same.
    Second(B),
}

impl<A, B> OneOf<A, B> {
    /// The one that it is, pinned.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn project(self: Pin<&mut Self>) -> OneOf<Pin<&mut A>, Pin<&mut B>> {
        // SAFETY: the reference does not leave this function, which moves out of neither.
        match unsafe { self.get_unchecked_mut() } {
            // SAFETY: either is pinned as long as `self` is: there is no `Drop`, nothing moves out of a pinned `OneOf`
            // (what takes a place does so by `Pin::set`, which drops what stood there), and it is `Unpin` only if both
            // are.
            Self::First(first) => OneOf::First(unsafe { Pin::new_unchecked(first) }),
            // SAFETY: the same.
            Self::Second(second) => OneOf::Second(unsafe { Pin::new_unchecked(second) }),
        }
    }
}

impl<A: Future, B: Future<Output = A::Output>> Future for OneOf<A, B> {
    type Output = A::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            OneOf::First(first) => first.poll(cx),
            OneOf::Second(second) => second.poll(cx),
        }
    }
}

/// A value that is never pinned, whatever its type: a pinned reference to it lends it as `&mut T`.
pub(crate) struct Loose<T>(pub(crate) T);

// Why for any `T`? No `Pin<&mut T>` is ever made of one.
impl<T> Unpin for Loose<T> {}

/// A call that begins when it is first asked for: until then it is what makes it, in the same memory.
pub(crate) type Later<F, G> = OneOf<F, Loose<Option<G>>>;

impl<F, G: FnOnce() -> F> Later<F, G> {
    /// One that has not begun.
    #[inline]
    pub(crate) const fn new(start: G) -> Self {
        Self::Second(Loose(Some(start)))
    }

    /// The call, which begins now if it has not.
    ///
    /// # Panics
    ///
    /// When it is asked again after `start` has panicked.
    #[inline]
    pub(crate) fn begun(mut self: Pin<&mut Self>) -> Pin<&mut F> {
        if let OneOf::Second(mut start) = self.as_mut().project() {
            let start = start.0.take().unwrap_or_else(|| panic!("a call was polled after making it had panicked"));
            self.set(Self::First(start()));
        }
        match self.project() {
            OneOf::First(call) => call,
            OneOf::Second(_) => unreachable!("it has just begun"),
        }
    }
}

/// A pinned value, and what takes its place in the same memory when it has ended; none once that was taken.
pub(crate) type Stages<F, T> = OneOf<F, Loose<Option<T>>>;

impl<F, T> Stages<F, T> {
    /// The first, pinned, unless it has ended.
    #[inline]
    pub(crate) fn running(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        match self.project() {
            OneOf::First(running) => Some(running),
            OneOf::Second(_) => None,
        }
    }

    /// Drops the first where it is; `value` takes its place.
    #[inline]
    pub(crate) fn end(mut self: Pin<&mut Self>, value: T) {
        self.set(Self::Second(Loose(Some(value))));
    }

    /// Moves out what has taken its place.
    pub(crate) fn take(self: Pin<&mut Self>) -> Option<T> {
        match self.project() {
            OneOf::First(_) => None,
            OneOf::Second(mut ended) => ended.0.take(),
        }
    }
}

impl<F, S: Step<F>> Future for Projected<F, S> {
    type Output = S::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (inner, state) = self.project();
        state.step(inner, cx)
    }
}

impl<F, S: fmt::Debug> fmt::Debug for Projected<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projected").field("state", &self.state).finish_non_exhaustive()
    }
}
