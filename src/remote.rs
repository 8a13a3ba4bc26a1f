//! How other threads reach a reactor: a table of slots, each with an inbox and the waker of its selector.
//!
//! This is the one process-wide table. A slot is made when first needed, belongs to one reactor at a time, and is never
//! freed: a number waker that comes too late finds a slot, at worst another reactor's, whose task table has no such
//! number. For the same reason the selector stays with its slot: what its waker writes to must never be closed, since
//! the number of a closed descriptor may by then be somebody's file.
//!
//! Producers push first and wake second; the reactor consumes the wake token first and takes the inbox second
//! (`mainspring_sys::Waker`), and leaves a token for what it has not taken. A push to a slot whose reactor has ended is
//! dropped after the lock is released.

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::mem;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, MutexGuard, PoisonError};

use mainspring_sys::{OsSelector, Selector, Waker, fork};

use crate::contain::contain;
use crate::forked;
use crate::join_error::JoinError;
use crate::locks::{Mutex, OnceLock, StaticMutex};
use crate::sentence::sentence;
use crate::waker::Number;

/// Reactors of a process at one time: what 12 bits of a number can name.
const REACTORS_MAX: usize = 4096;

/// Closures that may wait in an inbox; more are refused. A full one is 1 MiB of boxes, beside what they have captured:
/// a burst fits, and a producer that is faster than the reactor for good is told before memory runs out.
const CALLS_MAX: usize = 65_536;

/// Wakes in an inbox from which on duplicates are looked for before it grows: 8 KiB, below which there is nothing worth
/// a sort under the lock. It doubles with what is left, so that a sort is paid for by as many pushes.
const WAKES_SORTED: usize = 1024;

/// Slots of a chunk.
const CHUNK: usize = 64;

type Chunk = [OnceLock<Slot>; CHUNK];

/// In chunks, each made when first needed: a table of all slots would be 416 KiB in the file of every program, since a
/// cell that is empty is not all zeros.
static CHUNKS: [OnceLock<Box<Chunk>>; REACTORS_MAX / CHUNK] = [const { OnceLock::new() }; REACTORS_MAX / CHUNK];

/// How many slots have been begun, by this process and those that it comes from. Written under the lock of a directory,
/// and before the slot is touched: one that a thread was making as its process forked stays half made in the child,
/// where whoever made it again would wait for ever. The child passes over it, or over the chunk if that is half made.
static BEGUN: AtomicU16 = AtomicU16::new(0);

/// How many forks may lie between a process and the first one that has made a reactor: as many as no program nests.
const FORKS_MAX: usize = 256;

/// By generation of the process: what a child inherits is its parent's, and may be locked for ever. An empty one is all
/// zeros, so that these 4 KiB do not stand in the file of every program.
static DIRECTORIES: [StaticMutex<Option<Box<Directory>>>; FORKS_MAX] = [const { StaticMutex::new(None) }; FORKS_MAX];

#[derive(Default)]
struct Directory {
    /// Slots whose reactor has ended.
    free: Vec<Lease>,
}

/// The place for the directory of a process.
fn directory(generation: u32) -> io::Result<MutexGuard<'static, Option<Box<Directory>>>> {
    let Some(directory) = DIRECTORIES.get(generation as usize) else {
        return Err(io::Error::other(format!("the process has come about by more than {FORKS_MAX} forks")));
    };
    // Nothing that a user wrote runs under this lock.
    Ok(directory.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The right to be the reactor of a slot; given back by [`Lease::end`].
pub(crate) struct Lease {
    /// Which slot.
    pub(crate) number: u16,
    /// The generation of the process whose slot it is.
    pub(crate) made_in: u32,
    /// The selector that belongs to it.
    pub(crate) selector: Arc<OsSelector>,
    /// The last generation of a source in that selector, so that a stale event never meets an equal one.
    pub(crate) generation: u32,
}

/// A closure that runs on the reactor's thread.
pub(crate) type Call = Box<dyn FnOnce() + Send>;

/// One place for a reactor.
pub(crate) struct Slot {
    /// The generation of the process that has made it. In any other the inbox is not touched.
    made_in: u32,
    /// What other threads have left.
    inbox: Mutex<Inbox>,
    /// Wakes the selector of this slot.
    waker: Waker,
}

struct Inbox {
    /// Which tenant the slot has: even while it is vacant, odd while it is let.
    epoch: u64,
    /// Tasks to wake.
    wakes: Vec<Number>,
    /// At this many, duplicates are taken out.
    sort_at: usize,
    /// Closures to run, in the order in which they came.
    calls: VecDeque<Call>,
    /// Whether `run` is to end.
    shutdown: bool,
}

/// What a reactor takes out of its inbox.
#[derive(Default)]
pub(crate) struct Mail {
    /// Tasks to wake.
    pub(crate) wakes: Vec<Number>,
    /// Closures to run.
    pub(crate) calls: Vec<Call>,
    /// Whether `run` is to end.
    pub(crate) shutdown: bool,
}

impl Lease {
    /// Takes a slot.
    ///
    /// # Errors
    ///
    /// `OutOfMemory` when the process has 4,096 reactors, and those of making a selector.
    pub(crate) fn begin() -> io::Result<(Self, &'static Slot, u64)> {
        forked::watch()?;
        let made_in = fork::generation();
        let mut guard = directory(made_in)?;
        let lease = match guard.get_or_insert_default().free.pop() {
            Some(lease) => lease,
            None => Self::make(made_in)?,
        };
        drop(guard);
        let slot = slot(lease.number).ok_or(io::ErrorKind::NotFound)?;
        let epoch = slot.begin();
        Ok((lease, slot, epoch))
    }

    /// Makes a slot, and takes it. The lock of the directory is held.
    fn make(made_in: u32) -> io::Result<Self> {
        let mut number = BEGUN.load(SeqCst);
        let is_chunk_begun = usize::from(number) % CHUNK > 0;
        if is_chunk_begun && CHUNKS[usize::from(number) / CHUNK].get().is_none() {
            // It was being made as a parent forked.
            number = number.next_multiple_of(CHUNK as u16);
        }
        let Some(chunk) = CHUNKS.get(usize::from(number) / CHUNK) else {
            return Err(sentence(
                io::ErrorKind::OutOfMemory,
                "all 4096 places for reactors are taken, by this process and by those it was forked from",
            ));
        };
        let selector = OsSelector::new()?;
        let waker = selector.waker()?;
        BEGUN.store(number + 1, SeqCst);
        let chunk = chunk.get_or_init(|| Box::new([const { OnceLock::new() }; CHUNK]));
        chunk[usize::from(number) % CHUNK].get_or_init(|| Slot::new(made_in, waker));
        Ok(Self { number, made_in, selector: Arc::new(selector), generation: 0 })
    }

    /// Closes the slot, drops what is in its inbox with no lock held, and offers it to the next, unless its selector is
    /// broken.
    pub(crate) fn end(self, is_broken: bool) {
        if self.made_in != fork::generation() {
            // Nothing of it is this process's, which need not even have its kqueue: the number may be a file's.
            mem::forget(self);
            return;
        }
        if let Some(slot) = slot(self.number) {
            slot.end();
        }
        if is_broken {
            // Nor is it closed: its descriptor may be somebody else's by now.
            mem::forget(self);
        } else if let Some(directory) = directory(self.made_in).ok().as_deref_mut().and_then(Option::as_mut) {
            directory.free.push(self);
        }
    }
}

impl Slot {
    /// A vacant one.
    fn new(made_in: u32, waker: Waker) -> Self {
        let (wakes, calls) = (Vec::new(), VecDeque::new());
        let inbox = Inbox { epoch: 0, wakes, sort_at: WAKES_SORTED, calls, shutdown: false };
        Self { made_in, inbox: Mutex::new(inbox), waker }
    }

    /// Lets it, and returns the epoch of the tenant.
    fn begin(&self) -> u64 {
        let mut inbox = self.inbox.lock();
        inbox.epoch += 1;
        inbox.epoch
    }

    /// The tenant has ended: what has come for it is dropped.
    fn end(&self) {
        let mut inbox = self.inbox.lock();
        inbox.epoch += 1;
        (inbox.wakes, inbox.shutdown) = (Vec::new(), false);
        let calls = mem::take(&mut inbox.calls);
        drop(inbox);
        for call in calls {
            // What was sent may panic when it is dropped, which must not keep the slot from being let again.
            contain(|| drop(call));
        }
    }

    /// Wakes the selector of this slot.
    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Takes what has come, after the token, into the (empty) lists of `mail`, so that their memory is used again; of
    /// closures at most `room`. True if some are left, and then there is a token for them.
    pub(crate) fn take(&self, mail: &mut Mail, room: usize) -> bool {
        let mut inbox = self.inbox.lock();
        mem::swap(&mut inbox.wakes, &mut mail.wakes);
        inbox.sort_at = WAKES_SORTED;
        mail.shutdown = mem::take(&mut inbox.shutdown);
        let taken = room.min(inbox.calls.len());
        mail.calls.extend(inbox.calls.drain(..taken));
        let is_more = !inbox.calls.is_empty();
        drop(inbox);
        if is_more {
            self.waker.wake();
        }
        is_more
    }

    /// Whether this process is a child of the one that has made it.
    pub(crate) fn is_forked(&self) -> bool {
        self.made_in != fork::generation()
    }

    fn wake(&self, number: Number) {
        if self.is_forked() {
            return;
        }
        let mut inbox = self.inbox.lock();
        if inbox.epoch % 2 == 0 || inbox.wakes.last() == Some(&number) {
            return;
        }
        if inbox.wakes.len() >= inbox.sort_at {
            inbox.weed();
        }
        inbox.wakes.push(number);
        drop(inbox);
        self.waker.wake();
    }

    /// Leaves a closure for the tenant of `epoch`, behind those that wait, unless these are as many as may.
    pub(crate) fn call(&self, epoch: u64, call: Call) -> Result<(), Refused> {
        self.leave(epoch, |calls| {
            if calls.len() >= CALLS_MAX {
                return Err(Refused::Full);
            }
            calls.push_back(call);
            Ok(())
        })
    }

    /// The same before those that wait, however many: for what is about something that has begun, an abort or the end
    /// of a test.
    pub(crate) fn call_first(&self, epoch: u64, call: Call) -> Result<(), Refused> {
        self.leave(epoch, |calls| {
            calls.push_front(call);
            Ok(())
        })
    }

    fn leave(&self, epoch: u64, push: impl FnOnce(&mut VecDeque<Call>) -> Result<(), Refused>) -> Result<(), Refused> {
        if self.is_forked() {
            return Err(Refused::Forked);
        }
        let mut inbox = self.inbox.lock();
        if inbox.epoch != epoch {
            return Err(Refused::Ended);
        }
        push(&mut inbox.calls)?;
        drop(inbox);
        self.waker.wake();
        Ok(())
    }

    /// Tells the tenant of `epoch` that `run` is to end.
    pub(crate) fn shutdown(&self, epoch: u64) {
        if self.is_forked() {
            return;
        }
        let mut inbox = self.inbox.lock();
        if inbox.epoch == epoch {
            inbox.shutdown = true;
            drop(inbox);
            self.waker.wake();
        }
    }
}

/// Why a closure was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The reactor has ended.
    Ended,
    /// It is the reactor of a parent process.
    Forked,
    /// 65,536 closures wait already.
    Full,
}

impl From<Refused> for JoinError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Ended => Self::ended(),
            Refused::Forked => Self::refused(forked::TEXT),
            Refused::Full => Self::refused("the inbox of the reactor holds 65536 spawns"),
        }
    }
}

impl Inbox {
    /// Takes duplicates out, so that the list is bounded by the number of tasks and not by the number of wakes.
    fn weed(&mut self) {
        // A heap and not `sort_unstable`, which is faster, and in every program for what hardly any does.
        let mut wakes = BinaryHeap::from(mem::take(&mut self.wakes)).into_sorted_vec();
        wakes.dedup();
        self.sort_at = WAKES_SORTED.max(wakes.len() * 2);
        self.wakes = wakes;
    }
}

/// Wakes a task of a reactor that does not run on this thread.
pub(crate) fn wake(number: Number) {
    if let Some(slot) = slot(number.reactor()) {
        slot.wake(number);
    }
}

/// The slot of a reactor.
pub(crate) fn slot(number: u16) -> Option<&'static Slot> {
    let number = usize::from(number);
    CHUNKS.get(number / CHUNK)?.get()?[number % CHUNK].get()
}
