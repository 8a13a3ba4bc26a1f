//! How far apart the ends of a channel may be: what its state is locked and shared by.
//!
//! A channel is one implementation for both cases. Between threads it takes a lock and counts its ends in atomic
//! operations; on one thread it borrows, and counts plainly. The compiler says which it is: the ends of the second are
//! not `Send`. Two implementations would be two places for each mistake.
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use crate::inside::Inside;
use crate::locks::{Arc, Lock, Mutex};

/// How far apart the ends of a channel may be: [`AnyThread`] or [`OneThread`].
///
/// It is implemented by these two alone. Code for both kinds of channel is generic over it.
///
/// ```
/// use mainspring::channel::{Reach, local, mpsc};
///
/// fn offer<R: Reach>(jobs: &mpsc::Sender<u32, R>) -> bool {
///     jobs.try_send(1).is_ok()
/// }
///
/// let (between_threads, _far) = mpsc::bounded(1);
/// let (on_one_thread, _near) = local::mpsc::bounded(1);
/// assert!(offer(&between_threads) && offer(&on_one_thread));
/// ```
pub trait Reach: sealed::Reach {}

/// The ends of a channel are `Send` where its values are, and may be anywhere in the process.
#[derive(Clone, Copy, Debug)]
pub enum AnyThread {}

/// The ends of a channel stay on the thread that has made it, and take no lock.
#[derive(Clone, Copy, Debug)]
pub enum OneThread {}

impl Reach for AnyThread {}
impl Reach for OneThread {}

mod sealed {
    use super::{Deref, Inside, Lock};

    pub trait Reach: 'static {
        /// What one may change, one at a time.
        type Lock<S>: Lock<S>;
        /// What both ends have.
        type Pointer<V>: Deref<Target = V> + Clone + Unpin;

        /// The first pointer to a value.
        fn point<V>(value: V, _: Inside) -> Self::Pointer<V>;

        /// The value, if there is no other pointer to it.
        fn only<V>(pointer: &mut Self::Pointer<V>, _: Inside) -> Option<&mut V>;
    }
}

impl sealed::Reach for AnyThread {
    type Lock<S> = Mutex<S>;
    type Pointer<V> = Arc<V>;

    fn point<V>(value: V, _: Inside) -> Arc<V> {
        Arc::new(value)
    }

    #[inline]
    fn only<V>(pointer: &mut Arc<V>, _: Inside) -> Option<&mut V> {
        // Why the count first: it is read, and `get_mut` writes.
        if Arc::strong_count(pointer) == 1 { Arc::get_mut(pointer) } else { None }
    }
}

impl sealed::Reach for OneThread {
    type Lock<S> = RefCell<S>;
    type Pointer<V> = Rc<V>;

    fn point<V>(value: V, _: Inside) -> Rc<V> {
        Rc::new(value)
    }

    #[inline]
    fn only<V>(pointer: &mut Rc<V>, _: Inside) -> Option<&mut V> {
        Rc::get_mut(pointer)
    }
}
