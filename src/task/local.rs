//! A value that goes with a task: the number of a request, for what is logged about it.
//!
//! A [`Local`] stands in a `thread_local!`. [`Local::scope`] puts a value there for the length of each poll of one
//! future, and takes it out after, also when the poll panics; so the value follows the future and no other task sees
//! it. Scopes nest: the inner one hides the outer.
//!
//! The value is handed out as an `Rc` and not under a borrow, so that nothing a user does with it can meet a borrow
//! that stands. A table of values in each task was turned down: every task would carry it, for the few that use it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread::LocalKey;

use crate::pin::{Projected, Step};

/// The place of a value that goes with a task.
///
/// ```
/// use mainspring::task::Local;
///
/// thread_local! {
///     static REQUEST: Local<u64> = const { Local::new() };
/// }
///
/// mainspring::run(async {
///     let first = mainspring::spawn(Local::scope(&REQUEST, 1, async {
///         mainspring::yield_now().await;
///         Local::get(&REQUEST).map(|request| *request)
///     }));
///     let second = mainspring::spawn(Local::scope(&REQUEST, 2, async { Local::get(&REQUEST).map(|request| *request) }));
///     assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(1), Some(2)));
///     assert_eq!(Local::get(&REQUEST), None);
/// })
/// # .unwrap();
/// ```
pub struct Local<T> {
    /// That of the scope whose poll is running.
    value: Cell<Option<Rc<T>>>,
}

impl<T> Local<T> {
    /// An empty place.
    #[must_use]
    pub const fn new() -> Self {
        Self { value: Cell::new(None) }
    }
}

impl<T: 'static> Local<T> {
    /// `future`, in whose polls [`get`](Self::get) finds `value`. A task that is spawned inside does not inherit it,
    /// and it is not there while `future` is dropped.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub fn scope<F: Future>(
        key: &'static LocalKey<Self>,
        value: T,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F, T> {
        Projected::new(future, Scoped { key, value: Rc::new(value) })
    }

    /// The value of the innermost scope whose poll is running on this thread; none outside one, and while the thread
    /// ends.
    pub fn get(key: &'static LocalKey<Self>) -> Option<Rc<T>> {
        key.try_with(|local| {
            let value = local.value.take();
            local.value.set(value.clone());
            value
        })
        .ok()
        .flatten()
    }

    /// Puts a value there, or none. Returns what stood there before.
    fn swap(key: &'static LocalKey<Self>, value: Option<Rc<T>>) -> Option<Rc<T>> {
        key.try_with(|local| local.value.replace(value)).ok().flatten()
    }
}

impl<T> Default for Local<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// The value of one scope, and where it goes.
struct Scoped<T: 'static> {
    key: &'static LocalKey<Local<T>>,
    value: Rc<T>,
}

/// Puts back what stood there before, when the poll ends or panics.
struct Restore<T: 'static> {
    key: &'static LocalKey<Local<T>>,
    before: Option<Rc<T>>,
}

impl<T: 'static> Drop for Restore<T> {
    fn drop(&mut self) {
        let inside = Local::swap(self.key, self.before.take());
        drop(inside);
    }
}

impl<F: Future, T: 'static> Step<F> for Scoped<T> {
    type Output = F::Output;

    fn step(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let before = Local::swap(self.key, Some(self.value.clone()));
        let _restore = Restore { key: self.key, before };
        future.poll(cx)
    }
}
