//! What holds for every descriptor that is made here: no `SIGPIPE`, and none goes to another program.
//!
//! Signals and descriptors belong to the process, so each test is one of its own.
#![cfg(not(loom))]

mod util;

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;

use mainspring_sys::signal::{Kind, Subscription};
use mainspring_sys::{Conduit, Datagrams, OsSelector, Selector, Socket, SpareDescriptor, pipe};
use util::{in_child, tcp_pair};

/// Puts back the default action of `SIGPIPE`, which ends the process.
fn reset_sigpipe() {
    // SAFETY: takes no pointer.
    assert_ne!(unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) }, libc::SIG_ERR);
}

/// Takes what has come and sends it, wherever that fails.
fn pass(mut conduit: Conduit<'_>) -> io::Result<usize> {
    conduit.fill()?;
    conduit.drain()?;
    Ok(1)
}

/// Each way to send a byte, by a socket that cannot.
fn every_way_to_send(socket: &Socket) -> Vec<(&'static str, io::Result<usize>)> {
    let (reader, writer) = pipe().unwrap();
    writer.write(b"x").unwrap();
    let (sender, receiver) = Socket::unix_stream_pair().unwrap();
    sender.send(b"x").unwrap();
    let mut batch = Datagrams::new(2, 1);
    batch.push(b"x", None).unwrap();
    vec![
        ("send", socket.send(b"x")),
        ("sendmsg", socket.send_vectored(&[IoSlice::new(b"x")])),
        ("sendmsg with descriptors", socket.send_descriptors(&[IoSlice::new(b"x")], &[reader.as_fd()])),
        ("sendmmsg", socket.send_datagrams(&mut batch)),
        ("splice", pass(Conduit::new(&receiver, socket))),
        ("splice from a pipe", pass(Conduit::new(&reader, socket))),
    ]
}

#[test]
fn no_way_to_send_raises_a_signal() {
    in_child("no_way_to_send_raises_a_signal", || {
        reset_sigpipe();
        let (client, _server) = tcp_pair();
        let (left, _right) = Socket::unix_stream_pair().unwrap();
        for socket in [client, left] {
            socket.shutdown(Shutdown::Write).unwrap();
            for (way, outcome) in every_way_to_send(&socket) {
                // Passing descriptors over TCP is refused before it is found closed, on some systems.
                let kind = outcome.unwrap_err().kind();
                assert!(kind == ErrorKind::BrokenPipe || way == "sendmsg with descriptors", "{way}: {kind:?}");
            }
        }
        // Connected to nobody any more.
        let (left, right) = Socket::unix_datagram_pair().unwrap();
        drop(right);
        for (way, outcome) in every_way_to_send(&left) {
            let kind = outcome.unwrap_err().kind();
            let closed = [ErrorKind::ConnectionRefused, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
            assert!(closed.contains(&kind) || kind == ErrorKind::ConnectionReset, "{way}: {kind:?}");
        }
    });
}

#[test]
fn writing_to_a_closed_pipe_raises_no_signal() {
    in_child("writing_to_a_closed_pipe_raises_no_signal", || {
        reset_sigpipe();
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let (sender, receiver) = Socket::unix_stream_pair().unwrap();
        sender.send(b"x").unwrap();
        for _ in 0..3 {
            assert_eq!(pass(Conduit::new(&receiver, &writer)).unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(writer.write_vectored(&[IoSlice::new(b"x")]).unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
        assert!(!is_blocked() && !is_pending());
    });
}

#[test]
fn a_sigpipe_that_somebody_else_has_raised_stays_pending() {
    in_child("a_sigpipe_that_somebody_else_has_raised_stays_pending", || {
        reset_sigpipe();
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        block();
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(is_blocked() && !is_pending());
        // SAFETY: takes no pointer.
        assert_eq!(unsafe { libc::raise(libc::SIGPIPE) }, 0);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(is_blocked() && is_pending());
    });
}

/// The set of `SIGPIPE` alone.
fn sigpipe() -> libc::sigset_t {
    // SAFETY: all zeros is a valid set, and it is writable.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGPIPE);
        set
    }
}

fn block() {
    // SAFETY: the set lives through the call.
    assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe(), std::ptr::null_mut()) }, 0);
}

fn is_blocked() -> bool {
    // SAFETY: the set is writable.
    unsafe {
        let mut now = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut now);
        libc::sigismember(&now, libc::SIGPIPE) == 1
    }
}

fn is_pending() -> bool {
    unsafe extern "C" {
        fn sigpending(set: *mut libc::sigset_t) -> libc::c_int;
    }
    // SAFETY: the set is writable.
    unsafe {
        let mut pending = std::mem::zeroed();
        assert_eq!(sigpending(&mut pending), 0);
        libc::sigismember(&pending, libc::SIGPIPE) == 1
    }
}

/// The descriptors that a program has which is started from here.
#[cfg(target_os = "linux")]
fn inherited() -> String {
    let output = std::process::Command::new("ls").arg("/proc/self/fd").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_goes_to_another_program() {
    in_child("no_descriptor_goes_to_another_program", || {
        let before = inherited();
        let any_port = util::any_port();
        let selector = OsSelector::new().unwrap();
        let listener = util::listener();
        let (client, server) = tcp_pair();
        let (left, right) = Socket::unix_stream_pair().unwrap();
        let datagram_pair = Socket::unix_datagram_pair().unwrap();
        let (reader, writer) = pipe().unwrap();
        left.send_descriptors(&[IoSlice::new(b"x")], &[reader.as_fd(), writer.as_fd()]).unwrap();
        let mut received = Vec::new();
        let _ = right.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 9])], &mut received).unwrap();
        assert_eq!(received.len(), 2);
        let all = (
            (&selector, selector.waker().unwrap(), SpareDescriptor::new().unwrap()),
            (&listener, &client, &server, &left, &right, datagram_pair, &reader, &writer, &received),
            (Socket::udp(&any_port).unwrap(), Socket::unix_stream().unwrap(), Socket::unix_datagram().unwrap()),
            Subscription::new(Kind::TERMINATE).unwrap(),
        );
        assert_eq!(inherited(), before);
        drop(all);
        // The look itself sees what is not closed: a duplicate that is open to other programs.
        // SAFETY: takes no pointer.
        assert!(unsafe { libc::dup(libc::STDIN_FILENO) } > 0);
        assert_ne!(inherited(), before);
    });
}
