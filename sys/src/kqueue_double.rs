//! A stand-in for kqueue(2) on Linux, so that the kqueue backend can be tested there.
//!
//! Compiled under `--cfg mainspring_force_kqueue` alone and left out of the package. The backend takes
//! from it what it takes from `libc` elsewhere, by the same names and nothing else: `kqueue`, `kevent`,
//! `struct kevent`, `EV_*`, `EVFILT_*` and `NOTE_*`. So another stand-in can be put in its place.
//!
//! A kqueue is an epoll instance that watches one more instance for each filter, so that nothing on one
//! filter makes an edge on another, and an eventfd that is readable while a user note is triggered. It is
//! found again by that eventfd, which it alone watches; so a duplicate of its descriptor is the same
//! kqueue, it can be polled and watched like any other, and what it has of its own is closed when the next
//! one is made after its last descriptor was closed.
//!
//! Faithful, and tested below: edges, levels, `EV_ONESHOT` and `EV_DISPATCH`; `EV_ADD` on a note replaces
//! its token, keeps its mode and reports what is so; receipts in the place of their changes, without a
//! wait; a note dies with the number of its descriptor, also if a duplicate stays open; `SO_ERROR` stays.
//!
//! Not faithful: the end of the peer's data, and one's own `shutdown`, make an edge for writing; an
//! error in `fflags` is inferred, `ECONNREFUSED` before the first answer of the peer and `ECONNRESET` after;
//! writing to a pipe makes no edge for writing on its other end, and one whose reader is gone still takes a note
//! for writing (`EPIPE`); files have no filter (`EPERM`);
//! a child that was forked has the kqueue too; there is no `EVFILT_TIMER`, `VNODE`, `PROC` or `SIGNAL`,
//! and no `NOTE_LOWAT`. Turned down: libkqueue, which is further from the BSDs than this in each of these.

use std::collections::HashMap;
use std::fs;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use libc::{c_int, c_void, epoll_event, timespec};

/// `struct kevent`, as most systems have it.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct kevent {
    pub(crate) ident: usize,
    pub(crate) filter: i16,
    pub(crate) flags: u16,
    pub(crate) fflags: u32,
    pub(crate) data: isize,
    pub(crate) udata: *mut c_void,
}

pub(crate) const EVFILT_READ: i16 = -1;
pub(crate) const EVFILT_WRITE: i16 = -2;
pub(crate) const EVFILT_USER: i16 = -10;
#[allow(dead_code, reason = "for systems that have it")]
pub(crate) const EVFILT_EXCEPT: i16 = -15;

pub(crate) const EV_ADD: u16 = 0x1;
pub(crate) const EV_DELETE: u16 = 0x2;
pub(crate) const EV_ENABLE: u16 = 0x4;
pub(crate) const EV_DISABLE: u16 = 0x8;
pub(crate) const EV_ONESHOT: u16 = 0x10;
pub(crate) const EV_CLEAR: u16 = 0x20;
pub(crate) const EV_RECEIPT: u16 = 0x40;
pub(crate) const EV_DISPATCH: u16 = 0x80;
pub(crate) const EV_ERROR: u16 = 0x4000;
pub(crate) const EV_EOF: u16 = 0x8000;

pub(crate) const NOTE_TRIGGER: u32 = 0x0100_0000;
pub(crate) const NOTE_OOB: u32 = 0x2;

/// The filters on descriptors, and what poll(2) and epoll(7) have to be asked for each.
const FILTERS: [(i16, i16); 3] =
    [(EVFILT_READ, libc::POLLIN), (EVFILT_WRITE, libc::POLLOUT), (EVFILT_EXCEPT, libc::POLLPRI)];
/// The flags that a note keeps from its first `EV_ADD` until it is deleted.
const MODE: u16 = EV_ONESHOT | EV_CLEAR | EV_DISPATCH;
/// The most events taken from one filter by one call, in items: what a stack has room for.
const BATCH_MAX: usize = 512;

/// The most kqueues that are looked at when one is made, whether they are still open, in items.
const SWEEP_MAX: usize = 128;

/// The kqueues that are open, and those that were closed and not yet swept.
static QUEUES: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());

/// One kqueue: what stands behind the epoll instance whose number the user has.
struct Queue {
    /// The number that the user was last seen to have it by.
    number: AtomicI32,
    /// For each of `FILTERS` an epoll instance, made with the first note.
    filters: [OnceLock<OwnedFd>; FILTERS.len()],
    /// An eventfd, not zero while a user note is triggered. No other kqueue watches it.
    triggered: OwnedFd,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// By filter and number.
    all: HashMap<(i16, usize), Note>,
    /// The number of notes made so far: tells a note from an older one on the same descriptor.
    made: u32,
    /// The number of collections made so far: they begin with each filter in turn.
    turn: usize,
}

#[derive(Clone, Copy)]
struct Note {
    udata: *mut c_void,
    /// Those of `MODE`.
    mode: u16,
    enabled: bool,
    /// For user notes.
    triggered: bool,
    /// Which of the notes on this number it is.
    made: u32,
    /// Device and inode of the file, for notes on descriptors.
    file: (u64, u64),
}

// SAFETY: `udata` is the user's and only handed back.
unsafe impl Send for Note {}

/// kqueue(2).
///
/// # Safety
///
/// None needed: unsafe as the C function is.
pub(crate) unsafe fn kqueue() -> c_int {
    returned(Queue::open())
}

/// kevent(2).
///
/// # Safety
///
/// * The change list is readable for `nchanges` items, the event list writable for `nevents`; they may be
///   the same. The timeout is null or readable.
pub(crate) unsafe fn kevent(
    kq: c_int,
    changelist: *const kevent,
    nchanges: c_int,
    eventlist: *mut kevent,
    nevents: c_int,
    timeout: *const timespec,
) -> c_int {
    // Why the copy: the lists may be the same.
    let changes = match nchanges {
        0 => Vec::new(),
        // SAFETY: as the caller says.
        _ => unsafe { std::slice::from_raw_parts(changelist, nchanges as usize) }.to_vec(),
    };
    let events: &mut [MaybeUninit<kevent>] = match nevents {
        0 => &mut [],
        // SAFETY: as the caller says; the changes are no longer looked at.
        _ => unsafe { std::slice::from_raw_parts_mut(eventlist.cast(), nevents as usize) },
    };
    // SAFETY: as the caller says.
    let timeout = unsafe { timeout.as_ref() };
    returned(Queue::of(kq).and_then(|queue| queue.run(kq, &changes, events, timeout)))
}

/// The convention of C: the error in errno.
fn returned(result: Result<c_int, c_int>) -> c_int {
    result.unwrap_or_else(|code| {
        // SAFETY: the location is this thread's own errno, valid for as long as the thread lives.
        unsafe { *libc::__errno_location() = code };
        -1
    })
}

/// The opposite of that.
fn check(result: c_int) -> Result<c_int, c_int> {
    if result == -1 { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(result) }
}

fn owned(result: c_int) -> Result<OwnedFd, c_int> {
    // SAFETY: a descriptor that was just made, and that nobody else knows.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn control(epoll: c_int, operation: c_int, fd: c_int, events: c_int, number: u64) -> Result<(), c_int> {
    let mut event = epoll_event { events: events as u32, u64: number };
    // SAFETY: the event lives through the call.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) }).map(drop)
}

impl Queue {
    fn open() -> Result<c_int, c_int> {
        let mut queues = locked(&QUEUES);
        // Those that were looked at go to the end.
        let first = queues.len().min(SWEEP_MAX);
        let open: Vec<_> = queues.drain(..first).filter(|queue| queue.is_open()).collect();
        queues.extend(open);
        // SAFETY: takes no pointer.
        let triggered = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: takes no pointer.
        let outer = owned(unsafe { libc::epoll_create1(0) })?;
        control(outer.as_raw_fd(), libc::EPOLL_CTL_ADD, triggered.as_raw_fd(), libc::EPOLLIN, 0)?;
        let number = AtomicI32::new(outer.as_raw_fd());
        let filters = [const { OnceLock::new() }; FILTERS.len()];
        queues.push(Arc::new(Self { number, filters, triggered, notes: Mutex::default() }));
        Ok(outer.into_raw_fd())
    }

    /// The kqueue that the user has by this number.
    fn of(number: c_int) -> Result<Arc<Self>, c_int> {
        let queues = locked(&QUEUES);
        let likely = queues.iter().filter(|queue| queue.number.load(Ordering::Relaxed) == number);
        let queue = likely.chain(queues.iter()).find(|queue| queue.is(number)).ok_or(libc::EBADF)?;
        Ok(Arc::clone(queue))
    }

    /// True if this number is that of this kqueue: nothing else watches its eventfd.
    fn is(&self, number: c_int) -> bool {
        let is = control(number, libc::EPOLL_CTL_MOD, self.triggered.as_raw_fd(), libc::EPOLLIN, 0).is_ok();
        if is {
            self.number.store(number, Ordering::Relaxed);
        }
        is
    }

    /// True if a descriptor of this kqueue is open.
    fn is_open(&self) -> bool {
        let open = || fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        self.is(self.number.load(Ordering::Relaxed))
            || open().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).any(|number| self.is(number))
    }

    fn run(
        &self,
        number: c_int,
        changes: &[kevent],
        events: &mut [MaybeUninit<kevent>],
        timeout: Option<&timespec>,
    ) -> Result<c_int, c_int> {
        let mut receipts = 0;
        for change in changes {
            let outcome = self.change(&mut locked(&self.notes), change);
            if change.flags & EV_RECEIPT == 0 && outcome.is_ok() {
                continue;
            }
            let code = outcome.err().unwrap_or(0);
            match events.get_mut(receipts) {
                Some(place) => place.write(kevent { flags: EV_ERROR, data: code as isize, ..*change }),
                None if code != 0 => return Err(code),
                None => continue,
            };
            receipts += 1;
        }
        if receipts > 0 || events.is_empty() {
            return Ok(receipts as c_int);
        }
        let deadline = timeout.map(|time| Instant::now() + Duration::new(time.tv_sec as u64, time.tv_nsec as u32));
        loop {
            let is_last = wait(number, deadline)?;
            let count = self.collect(events);
            if count > 0 || is_last {
                return Ok(count as c_int);
            }
        }
    }

    fn change(&self, notes: &mut Notes, change: &kevent) -> Result<(), c_int> {
        let key = (change.filter, change.ident);
        let file = match change.filter {
            EVFILT_USER => (0, 0),
            _ if inner_of(change.filter).is_none() => return Err(libc::EINVAL),
            _ => file_of(change.ident as c_int)?,
        };
        // Of a note on a file that is closed nothing is left.
        let old = notes.all.remove(&key).filter(|note| note.file == file);
        if change.flags & EV_DELETE != 0 {
            old.ok_or(libc::ENOENT)?;
            return self.arm(change, None);
        }
        let mut note = match old {
            Some(note) => note,
            None if change.flags & EV_ADD == 0 => return Err(libc::ENOENT),
            None => {
                notes.made = notes.made.wrapping_add(1);
                let (mode, made) = (change.flags & MODE, notes.made);
                Note { udata: change.udata, mode, enabled: true, triggered: false, made, file }
            }
        };
        note.udata = change.udata;
        note.enabled = (note.enabled || change.flags & EV_ENABLE != 0) && change.flags & EV_DISABLE == 0;
        note.triggered |= change.filter == EVFILT_USER && change.fflags & NOTE_TRIGGER != 0;
        self.arm(change, Some(&note))?;
        notes.all.insert(key, note);
        Ok(())
    }

    /// The epoll instance of a filter, made when it is first asked for. Called with the notes locked.
    fn filter(&self, inner: usize) -> Result<c_int, c_int> {
        if let Some(made) = self.filters[inner].get() {
            return Ok(made.as_raw_fd());
        }
        // SAFETY: takes no pointer.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        let outer = self.number.load(Ordering::Relaxed);
        control(outer, libc::EPOLL_CTL_ADD, epoll.as_raw_fd(), libc::EPOLLIN, 0)?;
        Ok(self.filters[inner].get_or_init(|| epoll).as_raw_fd())
    }

    /// Makes epoll report the note from now on, or not, and once more what is so.
    fn arm(&self, change: &kevent, note: Option<&Note>) -> Result<(), c_int> {
        let note = note.filter(|note| note.enabled);
        let Some(inner) = inner_of(change.filter) else {
            if note.is_some_and(|note| note.triggered) {
                // SAFETY: takes no pointer that outlives the call.
                return check(unsafe { libc::eventfd_write(self.triggered.as_raw_fd(), 1) }).map(drop);
            }
            return Ok(());
        };
        let (epoll, fd) = (self.filter(inner)?, change.ident as c_int);
        let Some(note) = note else {
            // That it was not there is no error: a note that is disabled is not.
            return control(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0).or(Ok(()));
        };
        // Why an edge in each mode: a level is armed again after each report, unless its descriptor was closed
        // meanwhile, when nothing else could stop it.
        let events = c_int::from(FILTERS[inner].1) | libc::EPOLLET;
        let number = change.ident as u64 | u64::from(note.made) << 32;
        match control(epoll, libc::EPOLL_CTL_MOD, fd, events, number) {
            Err(libc::ENOENT) => control(epoll, libc::EPOLL_CTL_ADD, fd, events, number),
            result => result,
        }
    }

    /// Fills the events, as far as there are any now, and says how many.
    fn collect(&self, events: &mut [MaybeUninit<kevent>]) -> usize {
        let mut notes = locked(&self.notes);
        notes.turn = notes.turn.wrapping_add(1);
        let mut count = 0;
        for place in 0..=FILTERS.len() {
            let room = &mut events[count..];
            count += match (place + notes.turn) % (FILTERS.len() + 1) {
                inner if inner < FILTERS.len() => self.collect_filter(&mut notes, inner, room),
                _ => self.collect_user(&mut notes, room),
            };
        }
        count
    }

    fn collect_filter(&self, notes: &mut Notes, inner: usize, events: &mut [MaybeUninit<kevent>]) -> usize {
        let mut list = [epoll_event { events: 0, u64: 0 }; BATCH_MAX];
        let room = events.len().min(BATCH_MAX) as c_int;
        let Some(epoll) = self.filters[inner].get().filter(|_| room > 0) else {
            return 0;
        };
        // SAFETY: the list is writable for that many.
        let found = unsafe { libc::epoll_wait(epoll.as_raw_fd(), list.as_mut_ptr(), room, 0) };
        let mut count = 0;
        for found in list.iter().take(found.max(0) as usize) {
            let (ident, made) = ((found.u64 & u64::from(u32::MAX)) as usize, (found.u64 >> 32) as u32);
            let key = (FILTERS[inner].0, ident);
            let Some(note) = notes.all.get_mut(&key).filter(|note| note.made == made) else {
                continue;
            };
            if file_of(ident as c_int) != Ok(note.file) {
                notes.all.remove(&key);
                continue;
            }
            let Some(event) = look(ident as c_int, inner) else {
                continue;
            };
            let event = kevent { udata: note.udata, ..event };
            note.enabled = note.mode & (EV_DISPATCH | EV_ONESHOT) == 0;
            let note = *note;
            if note.mode & EV_ONESHOT != 0 {
                notes.all.remove(&key);
            }
            if note.mode != EV_CLEAR {
                // An error is that of a descriptor that was just closed.
                let _ = self.arm(&event, Some(&note));
            }
            events[count].write(event);
            count += 1;
        }
        count
    }

    fn collect_user(&self, notes: &mut Notes, events: &mut [MaybeUninit<kevent>]) -> usize {
        let mut count = 0;
        let mut is_done = true;
        notes.all.retain(|&(filter, ident), note| {
            if !note.triggered || !note.enabled {
                return true;
            }
            let Some(place) = events.get_mut(count) else {
                is_done = false;
                return true;
            };
            place.write(kevent { ident, filter, udata: note.udata, flags: note.mode, ..NOTHING });
            count += 1;
            note.triggered = note.mode & EV_CLEAR == 0;
            note.enabled = note.mode & (EV_DISPATCH | EV_ONESHOT) == 0;
            is_done &= !note.triggered || !note.enabled;
            note.mode & EV_ONESHOT == 0
        });
        if is_done {
            let mut value = 0;
            // SAFETY: the value is writable. That it is zero already is no error.
            unsafe { libc::eventfd_read(self.triggered.as_raw_fd(), &mut value) };
        }
        count
    }
}

const NOTHING: kevent = kevent { ident: 0, filter: 0, flags: 0, fflags: 0, data: 0, udata: ptr::null_mut() };

fn inner_of(filter: i16) -> Option<usize> {
    FILTERS.iter().position(|entry| entry.0 == filter)
}

/// Waits until there may be something to collect. True if there is no time left to wait again.
fn wait(number: c_int, deadline: Option<Instant>) -> Result<bool, c_int> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let time = left.map(|left| timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut entry = libc::pollfd { fd: number, events: libc::POLLIN, revents: 0 };
    // SAFETY: the entry is writable, and the time lives through the call.
    let count = check(unsafe { libc::ppoll(&mut entry, 1, time, ptr::null()) })?;
    Ok(count == 0 || left == Some(Duration::ZERO))
}

/// Device and inode of what a descriptor is open on: its own for each socket and pipe.
fn file_of(fd: c_int) -> Result<(u64, u64), c_int> {
    // SAFETY: all zeros is a valid value of this plain C structure.
    let mut status: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: the status is writable.
    check(unsafe { libc::fstat(fd, &mut status) })?;
    Ok((status.st_dev, status.st_ino))
}

/// What a BSD would report on this filter now.
fn look(fd: c_int, inner: usize) -> Option<kevent> {
    let (filter, asked) = FILTERS[inner];
    let mut entry = libc::pollfd { fd, events: asked | libc::POLLRDHUP, revents: 0 };
    // SAFETY: the entry is writable.
    unsafe { libc::poll(&mut entry, 1, 0) };
    let is = |bits| entry.revents & bits != 0;
    let event = kevent { ident: fd as usize, filter, ..NOTHING };

    let kind = option(fd, libc::SOL_SOCKET, libc::SO_TYPE);
    let is_stream = kind == Some(libc::SOCK_STREAM);
    let tcp = if is_stream { tcp_info(fd) } else { None };
    // A socket that was shut or reset has `RDHUP` beside `HUP`; one that was never connected has not.
    let is_fresh = is_stream && is(libc::POLLHUP) && !is(libc::POLLRDHUP);
    if is_fresh || tcp.is_some_and(|tcp| tcp.state == TCP_SYN_SENT) || is(libc::POLLNVAL) {
        return None;
    }
    if filter == EVFILT_EXCEPT {
        return is(libc::POLLPRI).then_some(kevent { fflags: NOTE_OOB, ..event });
    }
    let is_datagram = kind.is_some() && !is_stream;
    let is_dead = is(libc::POLLHUP) || is(libc::POLLERR) && !is_datagram;
    let is_ended = is_dead
        || match filter {
            EVFILT_READ => is(libc::POLLRDHUP),
            _ => is_stream && has_shut(fd, tcp),
        };
    if !is_ended && !is(asked | libc::POLLERR) {
        return None;
    }
    let error = match tcp {
        _ if !is(libc::POLLERR) || !is_stream => 0,
        Some(tcp) if tcp.segments_in <= 1 => libc::ECONNREFUSED,
        _ => libc::ECONNRESET,
    };
    let flags = if is_ended { EV_EOF } else { 0 };
    Some(kevent { flags, fflags: error as u32, data: amount(fd, filter), ..event })
}

/// How much can be read: bytes, or connections, of which it is not known how many.
fn amount(fd: c_int, filter: i16) -> isize {
    let mut bytes: c_int = 0;
    if filter != EVFILT_READ || option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1) {
        return 1;
    }
    // SAFETY: the number is writable.
    if unsafe { libc::ioctl(fd, libc::FIONREAD, &mut bytes) } == -1 { 1 } else { bytes as isize }
}

/// True if the writing side of a stream socket was shut by its owner.
fn has_shut(fd: c_int, tcp: Option<Tcp>) -> bool {
    match tcp {
        Some(tcp) => TCP_SHUT.contains(&tcp.state),
        // SAFETY: nothing is sent, so nothing is read.
        None => check(unsafe { libc::send(fd, ptr::null(), 0, libc::MSG_NOSIGNAL) } as c_int) == Err(libc::EPIPE),
    }
}

fn option(fd: c_int, level: c_int, name: c_int) -> Option<c_int> {
    let (mut value, mut size) = (0, mem::size_of::<c_int>() as libc::socklen_t);
    // SAFETY: value and size are writable, and the size is that of the value.
    let result = unsafe { libc::getsockopt(fd, level, name, ptr::from_mut(&mut value).cast(), &mut size) };
    (result == 0).then_some(value)
}

/// What is of use here in `struct tcp_info`, tcp(7).
#[derive(Clone, Copy)]
struct Tcp {
    state: u8,
    segments_in: u32,
}

const TCP_SYN_SENT: u8 = 2;
/// `FIN_WAIT1`, `FIN_WAIT2`, `TIME_WAIT`, `CLOSE`, `LAST_ACK`, `CLOSING`.
const TCP_SHUT: [u8; 6] = [4, 5, 6, 7, 9, 11];
/// Where the kernel's structure has `tcpi_segs_in`, in units of four bytes; `libc` has only what is before.
const SEGMENTS_IN: usize = 35;

fn tcp_info(fd: c_int) -> Option<Tcp> {
    let mut words = [0_u32; SEGMENTS_IN + 1];
    let mut size = mem::size_of_val(&words) as libc::socklen_t;
    let list = words.as_mut_ptr().cast();
    // SAFETY: words and size are writable, and the size is that of the words.
    let result = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, list, &mut size) };
    (result == 0).then(|| Tcp { state: words[0].to_ne_bytes()[0], segments_in: words[SEGMENTS_IN] })
}

#[cfg(test)]
mod tests;
