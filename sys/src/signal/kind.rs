//! The signals that can be subscribed to, and how many of each have come.
//!
//! A kind is the number of a signal that was checked: a handler can be installed for it, and a program may go on after
//! the handler has returned. A number and not an enum, since a system has more signals than there are names for, and
//! the real-time ones of Linux have none.
//!
//! The counts are what is exact: a subscription compares them with what it has seen. Its descriptor only says when to
//! look. They are written by the handler alone.

use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::c_int;

/// A signal that a program may handle.
///
/// ```
/// use mainspring_sys::signal::Kind;
///
/// assert_eq!(Kind::from_raw(Kind::HANGUP.as_raw())?, Kind::HANGUP);
/// assert!(Kind::from_raw(9).unwrap_err().to_string().contains("SIGKILL"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Kind(u8);

/// The signals with a number of their own on every system; the real-time ones of Linux are beside them.
const STANDARD: RangeInclusive<c_int> = 1..=31;

/// One more than the highest number of any system, MIPS having most.
const NUMBERS: usize = 129;

/// What no handler is for: those that the system lets nobody handle, and those by which it says that an instruction
/// cannot go on, which it would run again when the handler returns.
const REFUSED: [(c_int, &str); 6] = [
    (libc::SIGKILL, "SIGKILL cannot be handled"),
    (libc::SIGSTOP, "SIGSTOP cannot be handled"),
    (libc::SIGSEGV, "a program cannot go on after SIGSEGV"),
    (libc::SIGILL, "a program cannot go on after SIGILL"),
    (libc::SIGFPE, "a program cannot go on after SIGFPE"),
    (libc::SIGBUS, "a program cannot go on after SIGBUS"),
];

/// How many signals of each number have come.
static DELIVERED: [AtomicU64; NUMBERS] = [const { AtomicU64::new(0) }; NUMBERS];

impl Kind {
    /// `SIGALRM`: the timer of alarm(2).
    pub const ALARM: Self = Self(libc::SIGALRM as u8);
    /// `SIGCHLD`: a child process has ended, stopped or gone on.
    pub const CHILD: Self = Self(libc::SIGCHLD as u8);
    /// `SIGCONT`: the process goes on after a stop. It does so with a handler too.
    pub const CONTINUE: Self = Self(libc::SIGCONT as u8);
    /// `SIGHUP`: the terminal is gone; by custom, a daemon is to read its settings again.
    pub const HANGUP: Self = Self(libc::SIGHUP as u8);
    /// `SIGINT`: Ctrl-C at the terminal.
    pub const INTERRUPT: Self = Self(libc::SIGINT as u8);
    /// `SIGPIPE`: a write to a pipe or socket that nobody reads. The sockets and pipes of this crate never raise it.
    pub const PIPE: Self = Self(libc::SIGPIPE as u8);
    /// `SIGQUIT`: Ctrl-\ at the terminal. With a handler there is no core file.
    pub const QUIT: Self = Self(libc::SIGQUIT as u8);
    /// `SIGTERM`: what kill(1) and supervisors send.
    pub const TERMINATE: Self = Self(libc::SIGTERM as u8);
    /// `SIGUSR1`: whatever the program says.
    pub const USER1: Self = Self(libc::SIGUSR1 as u8);
    /// `SIGUSR2`: whatever the program says.
    pub const USER2: Self = Self(libc::SIGUSR2 as u8);
    /// `SIGWINCH`: the window of the terminal has another size.
    pub const WINDOW_CHANGE: Self = Self(libc::SIGWINCH as u8);

    /// The signal of a number of this system, signal(7).
    ///
    /// # Errors
    ///
    /// `InvalidInput`, with the reason: for `SIGKILL` and `SIGSTOP`, which cannot be handled; for `SIGSEGV`, `SIGILL`,
    /// `SIGFPE` and `SIGBUS`, after which a program cannot go on; for what is no signal's number, or one that the C
    /// library keeps to itself. Allowed are 1 to 31, and on Linux the real-time signals.
    pub fn from_raw(number: i32) -> io::Result<Self> {
        let why = match REFUSED.iter().find(|(refused, _)| *refused == number) {
            Some((_, why)) => why,
            None if STANDARD.contains(&number) || real_time().contains(&number) => return Ok(Self(number as u8)),
            None => "no signal that a program may handle has this number",
        };
        let message = format!("could not listen for signal {number}: {why}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }

    /// Real-time signal number `index`, from 0: `SIGRTMIN` and up, signal(7). Several that come before they are looked
    /// at count as one here too.
    ///
    /// # Errors
    ///
    /// `InvalidInput` beyond `SIGRTMAX`; Linux has some 30. `Unsupported` where the system has none, or this crate does
    /// not know them: everywhere but on Linux and Android.
    pub fn real_time(index: u8) -> io::Result<Self> {
        let numbers = real_time();
        if numbers.is_empty() {
            let message = "could not listen for a real-time signal: they are known on Linux alone";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Self::from_raw(numbers.start() + c_int::from(index))
    }

    /// The number of the signal.
    pub const fn as_raw(self) -> i32 {
        self.0 as c_int
    }

    /// Counts one, and says which it is; none for a number that no handler was installed for. Called by the handler.
    pub(super) fn deliver(number: c_int) -> Option<Self> {
        DELIVERED.get(number as usize)?.fetch_add(1, Ordering::SeqCst);
        Some(Self(number as u8))
    }

    /// How many have come since the handler was installed.
    pub(super) fn delivered(self) -> u64 {
        DELIVERED[self.0 as usize].load(Ordering::SeqCst)
    }
}

/// The numbers of the real-time signals that the C library leaves to programs.
fn real_time() -> RangeInclusive<c_int> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return libc::SIGRTMIN()..=libc::SIGRTMAX();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[allow(clippy::reversed_empty_ranges, reason = "it is to be empty")]
    return 1..=0;
}
