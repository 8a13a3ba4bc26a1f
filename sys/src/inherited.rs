//! Listening sockets that another program has opened for this one: the protocol of sd_listen_fds(3).
//!
//! A service manager, or the predecessor of a server that restarts, opens the listener and starts the program with it:
//! the queue of connections is there before the program is and outlives it, so none is refused in between. The
//! descriptors are those from 3 on; `LISTEN_FDS` says how many, `LISTEN_PID` for which process, `LISTEN_FDNAMES` what
//! they are called.
//!
//! Everything is checked before anything is taken or changed: an error leaves all as it was. The environment is left as
//! it is too, also afterwards: to change it is unsafe in a program with threads, setenv(3), and this is not the only
//! code that may read it. So that the descriptors are taken at most once, it is remembered here.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{SockRef, Type};

use crate::Socket;
use crate::call::Call;
use crate::check::{attempt, check};
use crate::option_table::numbers;

/// The first descriptor that is passed.
const FIRST: RawFd = 3;

/// The most that are taken, in items: more than any service has, and few enough to look at each.
const COUNT_MAX: usize = 4096;

/// What a descriptor is called if nobody says.
const UNNAMED: &str = "unknown";

/// Set when they have been taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A listening socket that was passed to this process.
#[derive(Debug)]
pub struct Inherited {
    /// What it is called in `LISTEN_FDNAMES`; `unknown` if there are no names.
    pub name: String,
    /// A stream socket of IP or Unix that listens, non-blocking and close-on-exec.
    pub socket: Socket,
}

/// What the environment says.
struct Announced {
    pid: Option<OsString>,
    count: Option<OsString>,
    names: Option<OsString>,
}

/// Takes the listening sockets that were passed to this process, in their order; none if there are none, or they are
/// for another process.
///
/// To be called at the start of the program: it owns the descriptors from then on, whoever has opened them.
///
/// # Errors
///
/// `InvalidData` for a count that is no number or more than 4,096, for as many names as there are not descriptors, and
/// for a descriptor that is no stream socket of IP or Unix that listens; `NotFound` for one that is not open;
/// `AlreadyExists` if they were taken before. Nothing has been taken then, nor changed.
///
/// ```
/// for inherited in mainspring_sys::inherited_listeners()? {
///     println!("{} is {:?}", inherited.name, inherited.socket);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inherited_listeners() -> io::Result<Vec<Inherited>> {
    let [pid, count, names] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].map(env::var_os);
    let names = Announced { pid, count, names }.names(process::id())?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let taken = || {
        let message = "cannot take the descriptors of LISTEN_FDS: they have been taken already";
        io::Error::new(io::ErrorKind::AlreadyExists, message)
    };
    if TAKEN.load(Ordering::Relaxed) {
        return Err(taken());
    }
    for (number, name) in (FIRST..).zip(&names) {
        examine(number).map_err(|error| {
            let message = format!("cannot take descriptor {number} ({name}) of LISTEN_FDS: {error}");
            io::Error::new(error.kind(), message)
        })?;
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(taken());
    }
    let take = |(number, name)| {
        // SAFETY: it is open, `examine`, and was opened for this process by whoever wrote its id into the environment;
        // `TAKEN` was not set, so it is owned once.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        Ok(Inherited { name, socket: Socket::inherited_listener(descriptor)? })
    };
    (FIRST..).zip(names).map(take).collect()
}

impl Announced {
    /// The name of each descriptor for the process `own`.
    fn names(self, own: u32) -> io::Result<Vec<String>> {
        let text = |value: OsString| value.to_string_lossy().into_owned();
        let (Some(pid), Some(count)) = (self.pid.map(text), self.count.map(text)) else { return Ok(Vec::new()) };
        if pid.parse() != Ok(own) {
            return Ok(Vec::new());
        }
        let count = match count.parse::<usize>() {
            Ok(count) if count <= COUNT_MAX => count,
            _ => return Err(invalid(format!("LISTEN_FDS is {count:?}, and not a number up to {COUNT_MAX}"))),
        };
        let Some(names) = self.names.map(text) else { return Ok(vec![UNNAMED.into(); count]) };
        let names: Vec<String> = names.split(':').map(Into::into).collect();
        match names.len() == count {
            true => Ok(names),
            false => Err(invalid(format!("LISTEN_FDNAMES has {} names for {count} descriptors", names.len()))),
        }
    }
}

/// An error if `number` is not an open stream socket that listens.
fn examine(number: RawFd) -> io::Result<()> {
    // SAFETY: whatever the number is, the call makes a descriptor that nobody else knows, or fails.
    let copy = unsafe {
        let make = || libc::fcntl(number, libc::F_DUPFD_CLOEXEC, FIRST);
        check(Call::Mode, make).map(|copy| OwnedFd::from_raw_fd(copy))
    };
    let copy = copy.map_err(|error| match error.raw_os_error() {
        Some(libc::EBADF) => io::Error::new(io::ErrorKind::NotFound, "it is not open"),
        _ => error,
    })?;
    listens(copy.as_fd())
}

/// An error if it is no stream socket of a family that this crate knows, and listens.
fn listens(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let kind = attempt(Call::Option, || SockRef::from(&descriptor).r#type());
    match kind.map_err(|error| (error.raw_os_error(), error)) {
        Ok(Type::STREAM) => {}
        Err((Some(libc::ENOTSOCK), _)) => return Err(invalid("it is no socket")),
        Err((_, error)) => return Err(error),
        Ok(_) => return Err(invalid("it is no stream socket")),
    }
    let [accepts] = numbers(descriptor, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)?;
    if accepts == 0 {
        return Err(invalid("it does not listen"));
    }
    let address = attempt(Call::LocalAddress, || SockRef::from(&descriptor).local_addr())?;
    match address.family() {
        _ if address.is_unix() => Ok(()),
        _ if !address.is_ipv4() && !address.is_ipv6() => {
            Err(invalid(format!("it is neither of IP nor Unix: its family is {}", address.family())))
        }
        // As SCTP, whose messages end where a stream of TCP would be drained.
        _ if SockRef::from(&descriptor).tcp_nodelay().is_err() => Err(invalid("it is of IP and not of TCP")),
        _ => Ok(()),
    }
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

impl Socket {
    /// Takes over a listening stream socket, of IP or Unix, that was made elsewhere, and makes it non-blocking and
    /// close-on-exec.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it is something else; fcntl(2).
    pub fn inherited_listener(descriptor: OwnedFd) -> io::Result<Self> {
        listens(descriptor.as_fd())?;
        attempt(Call::Mode, || SockRef::from(&descriptor).set_cloexec(true))?;
        Self::from_fd(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pid: Option<&str>, count: Option<&str>, names: Option<&str>) -> io::Result<Vec<String>> {
        let [pid, count, names] = [pid, count, names].map(|value| value.map(OsString::from));
        Announced { pid, count, names }.names(7)
    }

    #[test]
    fn without_an_announcement_for_this_process_there_are_none() {
        for (pid, count) in [(None, None), (Some("7"), None), (None, Some("1")), (Some("8"), Some("1"))] {
            assert!(names(pid, count, None).unwrap().is_empty());
        }
        for pid in ["", "x", "-7", "7 ", "99999999999"] {
            assert!(names(Some(pid), Some("x"), None).unwrap().is_empty(), "{pid:?}");
        }
    }

    #[test]
    fn each_has_its_name_or_none_has_one() {
        assert_eq!(names(Some("7"), Some("2"), None).unwrap(), ["unknown", "unknown"]);
        assert_eq!(names(Some("7"), Some("2"), Some("http:")).unwrap(), ["http", ""]);
        assert_eq!(names(Some("7"), Some("0"), None).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_count_or_no_list_of_names_is_shown_in_the_error() {
        for count in ["", "x", "-1", "1.0", "4097", "99999999999999999999"] {
            let error = names(Some("7"), Some(count), None).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(&format!("{count:?}")), "{error}");
        }
        for (count, list) in [("2", "one"), ("1", "one:two"), ("2", "")] {
            let error = names(Some("7"), Some(count), Some(list)).unwrap_err();
            assert!(error.to_string().contains(&format!("names for {count} descriptors")), "{error}");
        }
    }
}
