//! What the tests of this crate share: sockets on loopback, selectors that expect, and child processes.
//!
//! Used by every file in `tests/`. Nothing here sleeps: what is waited for is the event itself, with a
//! limit after which the test fails instead of hanging.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mainspring_sys::{Connect, Event, Events, Interest, Mode, OsSelector, Readiness, Selector, Socket, Token};

/// After this an event that has to come is missing: longer than a thread may have to wait for its turn on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// True if the selector is kqueue, a BSD's or the stand-in on Linux; else it is epoll. The tests ask here
/// alone, and say for each what they expect where the two differ.
pub(crate) const KQUEUE: bool =
    cfg!(any(mainspring_force_kqueue, not(any(target_os = "linux", target_os = "android", target_os = "illumos"))));

/// True if urgent data can be asked for alone, and is reported.
pub(crate) const URGENT: bool = !KQUEUE
    || cfg!(any(
        mainspring_force_kqueue = "urgent",
        target_vendor = "apple",
        target_os = "dragonfly",
        target_os = "openbsd"
    ));

/// Set in a process that a test has started of itself.
const CHILD: &str = "MAINSPRING_SYS_TEST_CHILD";

/// All that the reactor asks for.
pub(crate) fn everything() -> Interest {
    Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY
}

/// The number that the environment gives for `name`, or `default`: how often a test does what it does.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Numbers below the one that is given, always the same ones for a seed: splitmix64,
/// <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    }
}

/// Any free port on loopback.
pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn listener() -> Socket {
    Socket::listen(any_port(), 128, false).unwrap()
}

/// A socket that has been connected.
pub(crate) fn connect(address: SocketAddr) -> Socket {
    let client = Socket::tcp(&address).unwrap();
    if client.connect(&address).unwrap() == Connect::InProgress {
        let watch = Watch::new(&client, Interest::WRITABLE, Mode::Edge);
        assert!(watch.next().contains(Readiness::WRITABLE));
    }
    assert!(client.take_error().unwrap().is_none());
    client
}

/// Two connected sockets.
pub(crate) fn tcp_pair() -> (Socket, Socket) {
    let listener = listener();
    let client = connect(listener.local_addr().unwrap());
    let (server, peer) = accept(&listener);
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// The next connection, once it is there: on loopback too the handshake takes its time on a busy machine.
pub(crate) fn accept(listener: &Socket) -> (Socket, SocketAddr) {
    let watch = Watch::new(listener, Interest::READABLE, Mode::Level);
    assert!(watch.next().contains(Readiness::READABLE));
    listener.accept().unwrap()
}

/// Waits until so many bytes can be read, at most 4,096.
pub(crate) fn await_bytes(socket: &Socket, count: usize) {
    let watch = Watch::new(socket, Interest::READABLE, Mode::Edge);
    while socket.peek(&mut [0; 4096]).unwrap_or(0) < count {
        watch.next();
    }
}

/// Waits until the peer's half-close has come.
pub(crate) fn await_end(socket: &Socket) {
    let watch = Watch::new(socket, Interest::READABLE, Mode::Edge);
    while !watch.next().contains(Readiness::READ_CLOSED) {}
}

/// Waits until the peer has acknowledged a half-close, which is a change of state, and on Linux an edge, of its own.
pub(crate) fn await_acknowledged(socket: &Socket) {
    // FIN_WAIT1, LAST_ACK and CLOSING, of include/net/tcp_states.h.
    #[cfg(target_os = "linux")]
    while [4, 9, 11].contains(&tcp_state(socket)) {
        std::thread::yield_now();
    }
    let _ = socket;
}

#[cfg(target_os = "linux")]
fn tcp_state(socket: &Socket) -> u8 {
    // SAFETY: all zeros is a valid value of this plain C structure.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    let value = (&raw mut info).cast();
    // SAFETY: `info` is writable for `length` bytes.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_TCP, libc::TCP_INFO, value, &mut length) };
    assert_eq!(result, 0);
    info.tcpi_state
}

/// The reading and the writing end of a non-blocking pipe.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both were just made, and nobody else knows them.
    let ends = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    for end in &ends {
        // SAFETY: this command takes no pointer.
        let result = unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        assert_eq!(result, 0);
    }
    let [reader, writer] = ends;
    (reader, writer)
}

/// A path for a Unix socket, which is removed at the end.
pub(crate) struct TemporaryPath(PathBuf);

impl TemporaryPath {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("mainspring-sys-{}-{number}", std::process::id())))
    }
}

impl std::ops::Deref for TemporaryPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        // It may be gone already, or never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A non-blocking datagram socket.
pub(crate) fn udp() -> UdpSocket {
    let socket = UdpSocket::bind(any_port()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Writes into a pipe until there is no more room.
pub(crate) fn fill_pipe(writer: &OwnedFd) {
    let bytes = [0_u8; 4096];
    // SAFETY: the bytes are readable.
    while unsafe { libc::write(writer.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) } > 0 {}
}

/// Sends one byte of urgent data.
pub(crate) fn send_urgent(socket: &Socket) {
    let byte = b"!";
    // SAFETY: the byte is readable.
    let sent = unsafe { libc::send(socket.as_raw_fd(), byte.as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
}

/// Reads until there is no more for now.
pub(crate) fn drain(socket: &Socket) -> usize {
    let mut buffer = [0; 4096];
    let mut total = 0;
    loop {
        match socket.recv(&mut buffer) {
            Ok(0) => return total,
            Ok(count) => total += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes until there is no more room for now.
pub(crate) fn fill(socket: &Socket) -> usize {
    let buffer = [0; 65_536];
    let mut total = 0;
    loop {
        match socket.send(&buffer) {
            Ok(count) => total += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// True if the descriptor is non-blocking and close-on-exec.
pub(crate) fn is_well_born(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: these commands take no pointer.
    let (status, descriptor) =
        unsafe { (libc::fcntl(fd.as_raw_fd(), libc::F_GETFL), libc::fcntl(fd.as_raw_fd(), libc::F_GETFD)) };
    status & libc::O_NONBLOCK != 0 && descriptor & libc::FD_CLOEXEC != 0
}

/// A selector with one source.
pub(crate) struct Watch {
    pub(crate) selector: OsSelector,
}

impl Watch {
    pub(crate) const TOKEN: Token = Token(42);

    pub(crate) fn new(source: &impl AsFd, interest: Interest, mode: Mode) -> Self {
        let selector = OsSelector::new().unwrap();
        selector.register(source.as_fd(), Self::TOKEN, interest, mode).unwrap();
        Self { selector }
    }

    /// All that is reported in the next batch that has something.
    pub(crate) fn next(&self) -> Readiness {
        let events = expect(&self.selector);
        assert!(events.iter().all(|event| event.token() == Self::TOKEN), "{events:?}");
        events.iter().fold(Readiness::EMPTY, |all, event| all | event.readiness())
    }

    /// All that is reported until `bits` have been: what belongs together may come in several batches.
    pub(crate) fn until(&self, bits: Readiness) -> Readiness {
        let mut seen = Readiness::EMPTY;
        while !seen.contains(bits) {
            seen |= self.next();
        }
        seen
    }

    /// As `until`, where signal handlers run: each may end a select without events.
    pub(crate) fn until_interrupted(&self, bits: Readiness) {
        let mut events = Events::with_capacity(64);
        let (mut seen, start) = (Readiness::EMPTY, Instant::now());
        while !seen.contains(bits) {
            assert!(start.elapsed() < LIMIT, "no event in {LIMIT:?}");
            self.selector.select(&mut events, Some(LIMIT)).unwrap();
            seen = events.iter().fold(seen, |all, event| all | event.readiness());
        }
    }

    /// Fails if there is something to report.
    pub(crate) fn nothing(&self) {
        expect_nothing(&self.selector);
    }
}

/// The next batch that has an event.
pub(crate) fn expect(selector: &OsSelector) -> Vec<Event> {
    let mut events = Events::with_capacity(64);
    selector.select(&mut events, Some(LIMIT)).unwrap();
    assert!(!events.is_empty(), "no event in {LIMIT:?}");
    events.iter().collect()
}

/// Fails if there is an event.
pub(crate) fn expect_nothing(selector: &OsSelector) {
    let mut events = Events::with_capacity(64);
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty(), "{events:?}");
}

/// True in a process that a test has started of itself.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs `body` as the test `test` in a process of its own, for what belongs to the process: signals and
/// descriptors. To be the whole of the test.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    in_child_after("", test, body);
}

/// As `in_child`, with shell code that runs before, in the same process.
pub(crate) fn in_child_after(prelude: &str, test: &str, body: impl FnOnce()) {
    in_child_with(Stdio::null, prelude, test, body);
}

/// As `in_child_after`, with a standard input.
pub(crate) fn in_child_with(input: impl FnOnce() -> Stdio, prelude: &str, test: &str, body: impl FnOnce()) {
    if is_child() {
        return body();
    }
    let Output { status, stdout, stderr } = Command::new("/bin/sh")
        .args(["-c", &format!("{prelude}\nexec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .stdin(input())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("1 passed"), "{status}\n{stdout}\n{stderr}");
}
