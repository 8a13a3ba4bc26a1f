//! The contract that each backend keeps.
//!
//! The reactor names the concrete `OsSelector`; this trait is the contract in a form that the compiler
//! checks, and what the backends' shared tests are written against.
//!
//! What it guarantees stands on the trait, for users as for whoever writes a backend. Turned down: a
//! trait object or a type parameter in the reactor, each of which costs something for a choice that is
//! made once, when the crate is compiled.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::{Change, Events, Interest, Mode, Token, Waker};

/// Watches descriptors and says which are ready.
///
/// Registering is open to any thread; one thread at a time selects, because there is one waker state.
///
/// Guaranteed by all backends:
///
/// 1. After `register`, a state that is already so is reported by the next `select`.
/// 2. After `deregister` has returned, no later `select` reports that registration.
/// 3. `select` is never early, but for spurious returns without events: a signal handler that ran, a
///    wake-up, a wait longer than the longest the system takes. The caller looks at its clock anyway.
/// 4. A `wake` before or during a `select` ends it, however many threads wake; the token it leaves is
///    consumed by [`Waker::take`] alone.
/// 5. A descriptor that is closed, and of which no duplicate is open, is deregistered by that.
///
/// Not guaranteed: that an event still holds when it is looked at; one event rather than two for one
/// source; the order of a batch; that a second registration is noticed (kqueue replaces the first).
///
/// How the two backends keep that:
///
/// | | epoll(7) | kqueue(2) |
/// |---|---|---|
/// | a registration is | one entry, of a descriptor number and the open file behind it | a note for each direction, of a number |
/// | `register` | `EPOLL_CTL_ADD`, which refuses a second one | `EV_DELETE`, then `EV_ADD`, in one call: a note keeps the mode of its first `EV_ADD` |
/// | `reregister` | `EPOLL_CTL_MOD`, which also reports again what is so | the same |
/// | `apply` | a call for each change | one call for up to 16 changes, in their order |
/// | what became of it | the result of the call | one receipt for each change (`EV_RECEIPT`): without it an event could take its place |
/// | `Edge` | `EPOLLET` | `EV_CLEAR` |
/// | `Oneshot` | `EPOLLONESHOT` | `EV_DISPATCH`; `EV_ONESHOT` would delete the note |
/// | `Exclusive` | `EPOLLEXCLUSIVE` | there is none, so `Edge` |
/// | a half-close | has to be asked for, `EPOLLRDHUP` | comes with reading, `EV_EOF` |
/// | errors and hang-ups | come unasked | come with the direction, `EV_EOF` and the error in `fflags` |
/// | one source is | one event, with all that is so | an event for each direction, with what is so there |
/// | a wait | `epoll_wait`, in milliseconds; `epoll_pwait2`, in nanoseconds | `kevent`, in nanoseconds |
/// | closing ends it | with the last duplicate of the open file | with the number |
/// | a wake-up | a write to an eventfd(2), which is never read | a user note, `EVFILT_USER` and `NOTE_TRIGGER` |
/// | a child after fork(2) | shares the entries with its parent | has no kqueue |
///
/// ```
/// use std::os::fd::AsFd;
/// use std::time::Duration;
/// use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
/// let selector = OsSelector::new()?;
/// selector.register(ours.as_fd(), Token(7), Interest::READABLE, Mode::Edge)?;
///
/// let mut events = Events::with_capacity(64);
/// std::io::Write::write_all(&mut &theirs, b"x")?;
/// selector.select(&mut events, Some(Duration::from_secs(1)))?;
/// let event = events.iter().next().expect("the byte is there");
/// assert!(event.token() == Token(7) && event.is_readable());
/// # Ok(())
/// # }
/// ```
pub trait Selector: Sized {
    /// Makes a selector, with its waker.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` or `ENOMEM`, as of epoll_create1(2), eventfd(2) and kqueue(2). Nothing is
    /// left open then.
    fn new() -> io::Result<Self>;

    /// Starts to watch a descriptor.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for [`Token::WAKER`] and for what [`Mode::Exclusive`] does not allow; `AlreadyExists` if it is
    /// registered here (epoll; kqueue takes it for a `reregister`); `PermissionDenied` for a file or directory (epoll);
    /// `BrokenPipe` (NetBSD: `EBADF`) for a pipe whose reader is gone and that is to be watched for writing alone
    /// (kqueue); `ENOSPC` at the limit of `/proc/sys/fs/epoll/max_user_watches`; `ENOMEM`. The same in debug and in
    /// release builds.
    fn register(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()>;

    /// Replaces token, interest and mode of a registration, and reports once more what is so.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not registered here (epoll; kqueue takes it for a `register`);
    /// `InvalidInput` for [`Token::WAKER`], and from or to [`Mode::Exclusive`] on epoll; `ENOMEM`.
    fn reregister(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest, mode: Mode) -> io::Result<()>;

    /// Ends a registration. Needed only if a duplicate of the descriptor stays open when it is closed,
    /// and to be called before it is closed.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not registered here.
    fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Makes all the changes, in their order, each as the method of its name would, by as few system calls as the
    /// system allows: a call for every change on epoll, one for every 16 on kqueue. Calls `refused` with the place in
    /// the list of each change that could not be made, and why; that one does not keep the others from being made.
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use mainspring_sys::{Change, Interest, Mode, OsSelector, Selector, Token};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let (interest, mode) = (Interest::READABLE, Mode::Oneshot);
    /// let selector = OsSelector::new()?;
    /// let changes = [
    ///     Change::Register { fd: ours.as_fd(), token: Token(1), interest, mode },
    ///     Change::Register { fd: theirs.as_fd(), token: Token(2), interest, mode },
    ///     Change::Deregister { fd: ours.as_fd() },
    ///     Change::Deregister { fd: ours.as_fd() },
    /// ];
    /// let mut refused = Vec::new();
    /// selector.apply(&changes, |place, error| refused.push((place, error.kind())));
    /// assert_eq!(refused, [(3, std::io::ErrorKind::NotFound)]);
    /// # Ok(())
    /// # }
    /// ```
    fn apply(&self, changes: &[Change<'_>], mut refused: impl FnMut(usize, io::Error)) {
        for (place, change) in changes.iter().enumerate() {
            let made = match *change {
                Change::Register { fd, token, interest, mode } => self.register(fd, token, interest, mode),
                Change::Reregister { fd, token, interest, mode } => self.reregister(fd, token, interest, mode),
                Change::Deregister { fd } => self.deregister(fd),
            };
            if let Err(error) = made {
                refused(place, error);
            }
        }
    }

    /// Waits for events and puts them in place of those in `events`.
    ///
    /// Returns when at least one event is there, the timeout has passed, a wake-up came, or a signal
    /// handler ran. Zero looks and does not wait, `None` waits without end; a finer timeout than the
    /// system knows is rounded up, a longer one than 1,000,000 seconds is cut to that.
    ///
    /// # Errors
    ///
    /// None in normal operation; `EBADF` or `EINVAL` if the selector's descriptor was closed behind its
    /// back. Never `Interrupted`: that is a return without events, since the caller has to look at
    /// its clock after each return, and a wait that went on here would need a clock reading before each.
    fn select(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()>;

    /// A waker of this selector. All share one token, and each may outlive the selector.
    ///
    /// # Errors
    ///
    /// None on the backends of this crate: what the waker needs is made in `new`.
    fn waker(&self) -> io::Result<Waker>;
}
