//! Unix streams and listeners, and pipes to other processes, under a selector.
#![cfg(not(loom))]

mod util;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mainspring_sys::{Interest, Mode, Readiness, Selector};
use util::{KQUEUE, Watch, everything};

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

/// A path that nobody else uses.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mainspring-sys-{}-{name}", std::process::id()))
}

fn would_block<T: std::fmt::Debug>(result: std::io::Result<T>) -> bool {
    result.unwrap_err().kind() == ErrorKind::WouldBlock
}

#[test]
fn unix_streams_pass_bytes_both_ways() {
    let (ours, theirs) = pair();
    for (mut from, mut to) in [(&ours, &theirs), (&theirs, &ours)] {
        let watch = Watch::new(to, everything(), Mode::Edge);
        assert_eq!(watch.next(), Readiness::WRITABLE);
        assert!(would_block(to.read(&mut [0; 9])));
        from.write_all(b"hello").unwrap();
        watch.until(Readiness::READABLE);
        assert_eq!(to.read(&mut [0; 9]).unwrap(), 5);
        watch.selector.reregister(to.as_fd(), Watch::TOKEN, Interest::WRITABLE, Mode::Edge).unwrap();
        assert_eq!(watch.next(), Readiness::WRITABLE);
        watch.selector.deregister(to.as_fd()).unwrap();
        from.write_all(b"again").unwrap();
        watch.nothing();
        assert_eq!(to.read(&mut [0; 9]).unwrap(), 5);
    }
}

#[test]
fn a_unix_listener_is_readable_for_each_connection_and_never_writable() {
    let path = path("listener");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let watch = Watch::new(&listener, everything(), Mode::Edge);
    for _ in 0..3 {
        watch.nothing();
        let client = UnixStream::connect(&path).unwrap();
        assert_eq!(watch.next(), Readiness::READABLE);
        let (server, _) = listener.accept().unwrap();
        assert!(would_block(listener.accept()));
        // The one that was accepted can be watched, and sees the client go.
        let accepted = Watch::new(&server, Interest::READABLE, Mode::Edge);
        accepted.nothing();
        drop(client);
        accepted.until(Readiness::READ_CLOSED);
    }
    let again = watch.selector.reregister(listener.as_fd(), Watch::TOKEN, Interest::READABLE, Mode::Edge);
    again.unwrap();
    watch.selector.deregister(listener.as_fd()).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    watch.nothing();
    assert!(listener.accept().is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_listener_without_a_path_works_as_well() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let address = SocketAddr::from_abstract_name(format!("mainspring-sys-{}", std::process::id())).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let watch = Watch::new(&listener, Interest::READABLE, Mode::Edge);
    let client = UnixStream::connect_addr(&address).unwrap();
    assert_eq!(watch.next(), Readiness::READABLE);
    assert_eq!(client.peer_addr().unwrap().as_abstract_name(), address.as_abstract_name());
}

#[test]
fn each_shutdown_of_a_unix_stream_is_reported() {
    let table = [
        // Whose, which, and what that end is told.
        (false, Shutdown::Read, Readiness::READ_CLOSED),
        (false, Shutdown::Both, Readiness::READ_CLOSED | Readiness::WRITE_CLOSED),
        (true, Shutdown::Write, Readiness::READ_CLOSED),
        (true, Shutdown::Both, Readiness::READ_CLOSED | Readiness::WRITE_CLOSED),
    ];
    for (by_peer, how, told) in table {
        let (mut ours, theirs) = pair();
        let watch = Watch::new(&ours, everything(), Mode::Edge);
        assert_eq!(watch.next(), Readiness::WRITABLE);
        if by_peer { &theirs } else { &ours }.shutdown(how).unwrap();
        watch.until(told);
        assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0, "{by_peer} {how:?}");
        if how == Shutdown::Both {
            assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        } else {
            assert_eq!(ours.write(b"x").unwrap(), 1);
        }
    }
}

#[test]
fn ones_own_shut_writing_side_is_an_error_to_write_to_and_told_by_kqueue_alone() {
    let (mut ours, mut theirs) = pair();
    let watch = Watch::new(&ours, everything(), Mode::Edge);
    watch.next();
    ours.shutdown(Shutdown::Write).unwrap();
    if KQUEUE {
        watch.until(Readiness::WRITE_CLOSED);
    }
    assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    theirs.write_all(b"back").unwrap();
    watch.until(Readiness::READABLE);
    assert_eq!(ours.read(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn the_pipes_of_another_process_can_be_watched() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for fd in [stdin.as_raw_fd(), stdout.as_raw_fd()] {
        // SAFETY: this command takes no pointer.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) }, 0);
    }
    let (input, output) =
        (Watch::new(&stdin, Interest::WRITABLE, Mode::Edge), Watch::new(&stdout, Interest::READABLE, Mode::Edge));
    assert!(would_block(stdout.read(&mut [0; 9])));
    for _ in 0..3 {
        stdin.write_all(b"hello").unwrap();
        let mut count = 0;
        while count < 5 {
            output.next();
            count += stdout.read(&mut [0; 9]).unwrap();
        }
    }
    assert_eq!(input.next(), Readiness::WRITABLE);
    drop(stdin);
    output.until(Readiness::READ_CLOSED);
    assert_eq!(stdout.read(&mut [0; 9]).unwrap(), 0);
    assert!(child.wait().unwrap().success());
}
