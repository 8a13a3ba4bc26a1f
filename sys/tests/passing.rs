//! Passing descriptors over Unix sockets.
#![cfg(not(loom))]

mod util;

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mainspring_sys::{PipeReader, PipeWriter, Received, Socket, pipe};
use util::{in_child, in_child_after, is_well_born};

const MAX: usize = Socket::DESCRIPTORS_MAX;

fn send(socket: &Socket, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> std::io::Result<usize> {
    socket.send_descriptors(&[IoSlice::new(bytes)], descriptors)
}

/// What one receive into `room` bytes gives: how many bytes, and the descriptors.
fn receive(socket: &Socket, room: usize) -> (Received, Vec<OwnedFd>) {
    let mut descriptors = Vec::new();
    let received = socket.recv_descriptors(&mut [IoSliceMut::new(&mut vec![0; room])], &mut descriptors).unwrap();
    (received, descriptors)
}

fn bytes(count: usize) -> Received {
    Received { bytes: count, descriptors_lost: false }
}

#[test]
fn both_ends_of_a_pipe_arrive_and_work() {
    for (left, right) in [Socket::unix_stream_pair().unwrap(), Socket::unix_datagram_pair().unwrap()] {
        let (reader, writer) = pipe().unwrap();
        assert_eq!(send(&left, b"two", &[reader.as_fd(), writer.as_fd()]).unwrap(), 3);
        drop((reader, writer));
        let (received, descriptors) = receive(&right, 16);
        assert_eq!(received, bytes(3));
        assert!(descriptors.iter().all(|descriptor| is_well_born(descriptor.as_fd())));
        let [reader, writer] = descriptors.try_into().unwrap();
        let (reader, writer) = (PipeReader::from_fd(reader).unwrap(), PipeWriter::from_fd(writer).unwrap());
        assert_eq!(writer.write(b"hello").unwrap(), 5);
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 5);
        drop(writer);
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
    }
}

#[test]
fn bytes_without_descriptors_are_plain_bytes() {
    let (left, right) = Socket::unix_stream_pair().unwrap();
    assert_eq!(send(&left, b"plain", &[]).unwrap(), 5);
    let mut descriptors = Vec::new();
    let (mut head, mut tail) = ([0; 2], [0; 9]);
    let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    assert_eq!(right.recv_descriptors(&mut buffers, &mut descriptors).unwrap(), bytes(5));
    assert!(descriptors.is_empty());
    assert_eq!((&head, &tail[..3]), (b"pl", b"ain".as_slice()));
    let empty = right.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 9])], &mut descriptors).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::WouldBlock);
    drop(left);
    assert_eq!(receive(&right, 9).0, bytes(0));
}

#[test]
fn descriptors_need_a_byte_to_go_with_and_are_bounded() {
    let (left, right) = Socket::unix_stream_pair().unwrap();
    let (reader, _writer) = pipe().unwrap();
    assert_eq!(send(&left, b"", &[reader.as_fd()]).unwrap_err().kind(), ErrorKind::InvalidInput);
    let none = left.send_descriptors(&[], &[reader.as_fd()]).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
    let error = send(&left, b"x", &[reader.as_fd(); MAX + 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("254"), "{error}");
    assert_eq!(right.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    if cfg!(target_os = "linux") {
        assert_eq!(send(&left, b"x", &[reader.as_fd(); MAX]).unwrap(), 1);
        let (received, descriptors) = receive(&right, 1);
        assert_eq!((received, descriptors.len()), (bytes(1), MAX));
    }
}

#[test]
fn a_receive_ends_behind_the_bytes_that_descriptors_came_with() {
    let (left, right) = Socket::unix_stream_pair().unwrap();
    let (reader, _writer) = pipe().unwrap();
    send(&left, b"one", &[reader.as_fd()]).unwrap();
    send(&left, b"second", &[reader.as_fd(); 2]).unwrap();
    // They go with the first byte, whatever there is room for.
    let mut seen = Vec::new();
    for _ in 0..6 {
        let mut descriptors = Vec::new();
        match right.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 4])], &mut descriptors) {
            Ok(received) => seen.push((received.bytes, descriptors.len())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    assert_eq!(seen, [(3, 1), (4, 2), (2, 0)]);
}

#[test]
fn what_is_received_is_added_at_the_end() {
    let (left, right) = Socket::unix_stream_pair().unwrap();
    let (reader, writer) = pipe().unwrap();
    let mut descriptors = vec![OwnedFd::from(writer)];
    let first = descriptors[0].as_raw_fd();
    send(&left, b"x", &[reader.as_fd()]).unwrap();
    assert_eq!(right.recv_descriptors(&mut [IoSliceMut::new(&mut [0])], &mut descriptors).unwrap(), bytes(1));
    assert_eq!((descriptors.len(), descriptors[0].as_raw_fd()), (2, first));
}

#[cfg(target_os = "linux")]
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn when_the_process_has_no_room_nothing_leaks_and_it_is_told() {
    let test = "when_the_process_has_no_room_nothing_leaks_and_it_is_told";
    in_child_after("ulimit -n 40", test, || {
        let (left, right) = Socket::unix_stream_pair().unwrap();
        let (reader, writer) = pipe().unwrap();
        let before = open_descriptors();
        // More than fit, although each is open here once.
        send(&left, b"many", &[reader.as_fd(); 40]).unwrap();
        let (received, descriptors) = receive(&right, 9);
        assert_eq!(received, Received { bytes: 4, descriptors_lost: true });
        assert!(descriptors.is_empty());
        assert_eq!(open_descriptors(), before);
        // Those that had been taken before stay.
        let mut kept = vec![OwnedFd::from(writer)];
        send(&left, b"many", &[reader.as_fd(); 40]).unwrap();
        let lost = right.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 9])], &mut kept).unwrap();
        assert!(lost.descriptors_lost && kept.len() == 1);
        // The socket goes on.
        send(&left, b"x", &[reader.as_fd()]).unwrap();
        assert_eq!(receive(&right, 9).1.len(), 1);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn descriptors_that_nobody_asks_for_are_closed() {
    in_child("descriptors_that_nobody_asks_for_are_closed", || {
        let (left, right) = Socket::unix_stream_pair().unwrap();
        let before = open_descriptors();
        let (reader, writer) = pipe().unwrap();
        send(&left, b"x", &[writer.as_fd()]).unwrap();
        drop(writer);
        assert_eq!(right.recv(&mut [0; 9]).unwrap(), 1);
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
        drop(reader);
        assert_eq!(open_descriptors(), before);
    });
}

/// Asks for further control data.
#[cfg(target_os = "linux")]
fn ask_for(socket: &Socket, option: libc::c_int) -> std::io::Result<()> {
    let one: libc::c_int = 1;
    // SAFETY: the value is readable for its size.
    let result = unsafe {
        let (value, size) = (std::ptr::from_ref(&one).cast(), size_of_val(&one) as libc::socklen_t);
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, size)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_of_the_sender_that_is_not_handed_on_is_closed() {
    in_child("a_descriptor_of_the_sender_that_is_not_handed_on_is_closed", || {
        let (left, right) = Socket::unix_stream_pair().unwrap();
        if let Err(error) = ask_for(&right, libc::SO_PASSPIDFD) {
            return eprintln!("NOT TESTED: this kernel has no SO_PASSPIDFD (Linux 6.5): {error}");
        }
        let (reader, _writer) = pipe().unwrap();
        let before = open_descriptors();
        for count in [0, 1, MAX] {
            send(&left, b"x", &vec![reader.as_fd(); count]).unwrap();
            let (received, descriptors) = receive(&right, 9);
            assert_eq!((received, descriptors.len()), (bytes(1), count));
            drop(descriptors);
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn other_control_data_is_passed_over() {
    let (left, right) = Socket::unix_stream_pair().unwrap();
    let (reader, _writer) = pipe().unwrap();
    ask_for(&right, libc::SO_PASSCRED).unwrap();
    send(&left, b"x", &[reader.as_fd(); MAX]).unwrap();
    let (received, descriptors) = receive(&right, 9);
    assert_eq!((received, descriptors.len()), (bytes(1), MAX));
}
