//! How many connections a server has, all threads together, and each of them.
//!
//! Accept loops take a [`Place`] for each connection before they accept it, so that the limit holds whatever thread it
//! is served on, and the place goes along with the connection to its end: handed off or not, it is counted once.
//! Written when a connection is accepted, handed over and closed, and never in between; a request touches none of it.
//!
//! Plain atomics but for one list behind a lock, of accept loops that wait for room: taken by those, and by a close
//! while there are any. A share of the limit for each thread would need no common number, and would turn connections
//! away on one thread while there is room on another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use crate::locks::Mutex;
use crate::wake::wake;

/// Added to the count of a thread that has ended, so that it is never the least: more than there can be descriptors.
const RETIRED: usize = usize::MAX / 2;

/// The numbers of one server.
pub(super) struct Load {
    /// The most places, but for a drain.
    limit: usize,
    /// Places that are taken.
    taken: AtomicUsize,
    /// Of these, those of each thread.
    live: Box<[Live]>,
    /// Set while an accept loop waits for room, before it looks at `taken` for the last time; cleared by whoever wakes
    /// it.
    is_awaited: AtomicBool,
    /// The accept loops that wait, each once.
    waiting: Mutex<Vec<Waker>>,
}

/// The number of one thread, on a line of the caches of its own: threads close connections all the time.
#[repr(align(128))]
#[derive(Default)]
struct Live(AtomicUsize);

/// The right to have one connection open, given back when it is dropped.
pub(super) struct Place {
    /// The server's.
    load: Arc<Load>,
    /// On which thread; none before that is known.
    worker: Option<usize>,
}

impl Load {
    pub(super) fn new(limit: usize, workers: usize) -> Self {
        Self {
            limit: limit.max(1),
            taken: AtomicUsize::new(0),
            live: (0..workers).map(|_| Live::default()).collect(),
            is_awaited: AtomicBool::new(false),
            waiting: Mutex::default(),
        }
    }

    /// Takes a place. Without room it takes none, and wakes the task of `cx` when it may be worth another try.
    pub(super) fn enter(self: &Arc<Self>, cx: &Context<'_>) -> Option<Place> {
        self.try_enter().or_else(|| {
            let mut waiting = self.waiting.lock();
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            drop(waiting);
            // Whoever leaves after the look below sees this, since both are in the one order of `SeqCst`.
            self.is_awaited.store(true, Ordering::SeqCst);
            self.try_enter()
        })
    }

    fn try_enter(self: &Arc<Self>) -> Option<Place> {
        let more = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok().map(|_| self.place())
    }

    /// Takes a place, beyond the limit if need be: for what is queued when a server drains, and would be reset else.
    pub(super) fn enter_anyway(self: &Arc<Self>) -> Place {
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.place()
    }

    fn place(self: &Arc<Self>) -> Place {
        Place { load: self.clone(), worker: None }
    }

    /// How many places there are.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// How many of them are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The thread with the fewest connections; of equals the first.
    pub(super) fn least(&self) -> usize {
        let lives = self.live.iter().map(|live| live.0.load(Ordering::Relaxed));
        lives.enumerate().min_by_key(|&(_, count)| count).map_or(0, |(worker, _)| worker)
    }

    /// The thread takes no more connections.
    pub(super) fn retire(&self, worker: usize) {
        self.live[worker].0.fetch_add(RETIRED, Ordering::Relaxed);
    }
}

impl Place {
    /// Counts the connection among those of a thread, and no other.
    pub(super) fn assign(&mut self, worker: usize) {
        self.unassign();
        self.load.live[worker].0.fetch_add(1, Ordering::Relaxed);
        self.worker = Some(worker);
    }

    fn unassign(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.load.live[worker].0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.unassign();
        let load = &self.load;
        load.taken.fetch_sub(1, Ordering::SeqCst);
        if load.is_awaited.load(Ordering::SeqCst) && load.is_awaited.swap(false, Ordering::SeqCst) {
            let waiting = std::mem::take(&mut *load.waiting.lock());
            wake(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;
    use std::thread;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_finds_no_room_is_woken_once_when_a_place_is_given_back() {
        let load = Arc::new(Load::new(2, 1));
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        let (first, second) = (load.enter(&cx).unwrap(), load.enter(&cx));
        assert!(second.is_some() && load.enter(&cx).is_none() && load.enter(&cx).is_none());
        assert_eq!(Arc::strong_count(&count), 3, "it waits once, however often it asks");
        drop(first);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        let again = load.enter(&cx).unwrap();
        let beyond = load.enter_anyway();
        drop((second, beyond));
        assert!(load.enter(&cx).is_some());
        drop(again);
        assert_eq!(count.0.load(Ordering::SeqCst), 1, "nobody waits any more");
        assert_eq!(load.taken.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_place_counts_on_one_thread_and_a_retired_thread_is_never_the_least() {
        let load = Arc::new(Load::new(10, 3));
        let mut places: Vec<_> = (0..6).map(|_| load.enter_anyway()).collect();
        for (index, place) in places.iter_mut().enumerate() {
            assert_eq!(load.least(), index % 3);
            place.assign(load.least());
        }
        places[4].assign(0);
        assert_eq!(load.least(), 1);
        load.retire(1);
        assert_eq!(load.least(), 2);
        load.retire(2);
        assert_eq!(load.least(), 0);
        drop(places);
        assert_eq!(load.least(), 0);
    }

    #[test]
    fn no_wake_is_lost_between_threads_that_give_back_and_threads_that_wait() {
        const ROUNDS: usize = 20_000;
        let load = Arc::new(Load::new(2, 4));
        let open = Arc::new(AtomicUsize::new(0));
        let worker = |_| {
            let (load, open) = (load.clone(), open.clone());
            thread::spawn(move || {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let cx = Context::from_waker(&waker);
                for _ in 0..ROUNDS {
                    let place = loop {
                        match load.enter(&cx) {
                            Some(place) => break place,
                            None => thread::park(),
                        }
                    };
                    assert!(open.fetch_add(1, Ordering::SeqCst) < 2);
                    open.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                }
            })
        };
        let workers: Vec<_> = (0..4).map(worker).collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(load.taken.load(Ordering::SeqCst), 0);
    }

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
}
