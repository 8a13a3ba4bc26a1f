//! Several messages in one system call: sendmmsg(2) and recvmmsg(2), or one by one where there are none.
//!
//! Called by `datagrams.rs`. Both ways have the contract of the system call: the count of the messages that
//! went through, an error only if the first of them failed. What stopped a batch after its first message is
//! told by the next call, unless the error was one that the socket tells once (an ICMP refusal), which may
//! be lost, sendmmsg(2).

use crate::message::{Incoming, Outgoing};

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
mod system {
    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::ptr;

    /// A message header and the length of what was sent or received with it.
    pub(crate) use libc::mmsghdr as Record;

    use super::{Incoming, Outgoing};
    use crate::call::Call;
    use crate::check::retry;
    use crate::message::{SEND_FLAGS, send_error};
    use crate::seam::cut;

    pub(crate) fn send_all(fd: BorrowedFd<'_>, messages: &mut [Outgoing<'_>]) -> io::Result<usize> {
        let (list, count) = (messages.as_mut_ptr().cast::<Record>(), cut(Call::SendMany, messages.len()));
        // SAFETY: a list of `count` records, which `Outgoing` is a transparent wrapper of; what each points to
        // is borrowed and readable, and of the record itself the length alone is written.
        let make = || unsafe { libc::sendmmsg(fd.as_raw_fd(), list, count as _, SEND_FLAGS as _) };
        Ok(retry(Call::SendMany, make).map_err(send_error)? as usize)
    }

    pub(crate) fn receive_all(fd: BorrowedFd<'_>, messages: &mut [Incoming<'_>]) -> io::Result<usize> {
        let (list, count) = (messages.as_mut_ptr().cast::<Record>(), cut(Call::RecvMany, messages.len()));
        // SAFETY: a list of `count` records, which `Incoming` is a transparent wrapper of; what each points to
        // is borrowed mutably and writable. No timeout: the socket does not block.
        let make = || unsafe { libc::recvmmsg(fd.as_raw_fd(), list, count as _, 0, ptr::null_mut()) };
        Ok(retry(Call::RecvMany, make)? as usize)
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
mod system {
    /// A message header and the length of what was received with it.
    #[repr(C)]
    pub(crate) struct Record {
        pub(crate) msg_hdr: libc::msghdr,
        pub(crate) msg_len: libc::c_uint,
    }

    pub(crate) use super::one_by_one::{receive_all, send_all};
}

pub(crate) use system::{Record, receive_all, send_all};

/// Compiled everywhere, so that it is tested everywhere.
#[allow(dead_code, reason = "used where the system has no call for many messages, and by the tests")]
mod one_by_one {
    use std::io;
    use std::os::fd::BorrowedFd;

    use super::{Incoming, Outgoing};
    use crate::call::Call;

    pub(crate) fn send_all(fd: BorrowedFd<'_>, messages: &mut [Outgoing<'_>]) -> io::Result<usize> {
        for_each(messages, |message| message.send(Call::SendMany, fd).map(drop))
    }

    pub(crate) fn receive_all(fd: BorrowedFd<'_>, messages: &mut [Incoming<'_>]) -> io::Result<usize> {
        for_each(messages, |message| {
            let length = message.receive(Call::RecvMany, fd, 0)?;
            message.set_length(length);
            Ok(())
        })
    }

    /// Does it for the messages in turn, up to the first error.
    fn for_each<T>(messages: &mut [T], mut each: impl FnMut(&mut T) -> io::Result<()>) -> io::Result<usize> {
        for (count, message) in messages.iter_mut().enumerate() {
            match each(message) {
                Ok(()) => {}
                Err(error) if count == 0 => return Err(error),
                Err(_) => return Ok(count),
            }
        }
        Ok(messages.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
    use std::net::UdpSocket;
    use std::os::fd::{AsFd, BorrowedFd};

    use super::*;

    type Send = fn(BorrowedFd<'_>, &mut [Outgoing<'_>]) -> io::Result<usize>;
    type Receive = fn(BorrowedFd<'_>, &mut [Incoming<'_>]) -> io::Result<usize>;

    const WAYS: [(Send, Receive); 2] =
        [(system::send_all, system::receive_all), (one_by_one::send_all, one_by_one::receive_all)];

    fn pair() -> (UdpSocket, UdpSocket) {
        let [left, right] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        left.connect(right.local_addr().unwrap()).unwrap();
        right.set_nonblocking(true).unwrap();
        (left, right)
    }

    #[test]
    fn one_by_one_is_the_same_as_together() {
        let (left, right) = pair();
        let texts = [[IoSlice::new(b"one")], [IoSlice::new(b"")], [IoSlice::new(b"three")]];
        for (send_all, receive_all) in WAYS {
            let mut messages: Vec<_> = texts.iter().map(|text| Outgoing::new(text)).collect();
            assert_eq!(send_all(left.as_fd(), &mut messages).unwrap(), 3);
            let mut room = [[0; 4]; 5];
            let mut buffers: Vec<_> = room.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
            let mut messages: Vec<_> = buffers.iter_mut().map(|buffer| Incoming::new(buffer)).collect();
            assert_eq!(receive_all(right.as_fd(), &mut messages).unwrap(), 3);
            let lengths: Vec<_> = messages.iter().map(Incoming::length).collect();
            assert_eq!(lengths, [3, 0, 4, 0, 0]);
            let cut: Vec<_> = messages.iter().map(|message| message.has(libc::MSG_TRUNC)).collect();
            assert_eq!(cut, [false, false, true, false, false]);
            let empty = receive_all(right.as_fd(), &mut messages).unwrap_err();
            assert_eq!(empty.kind(), ErrorKind::WouldBlock);
            assert_eq!(&room[2], b"thre");
        }
    }

    #[test]
    fn a_batch_stops_at_its_first_error_and_tells_it_next() {
        let (left, right) = pair();
        let long = vec![0; 100_000];
        let texts = [[IoSlice::new(b"one")], [IoSlice::new(&long)], [IoSlice::new(b"three")]];
        for (send_all, _) in WAYS {
            let mut messages: Vec<_> = texts.iter().map(|text| Outgoing::new(text)).collect();
            assert_eq!(send_all(left.as_fd(), &mut messages).unwrap(), 1);
            let refused = send_all(left.as_fd(), &mut messages[1..]).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EMSGSIZE));
            assert_eq!(right.recv(&mut [0; 9]).unwrap(), 3);
            assert_eq!(right.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}
