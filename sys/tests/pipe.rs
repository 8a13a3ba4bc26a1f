//! Pipes, made here or taken over from a child process.
#![cfg(not(loom))]

mod util;

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use mainspring_sys::{Interest, Mode, PipeReader, PipeWriter, Readiness, pipe};
use util::{Watch, is_well_born};

#[test]
fn bytes_come_out_as_they_went_in_and_the_end_after_them() {
    let (reader, writer) = pipe().unwrap();
    assert!(is_well_born(reader.as_fd()) && is_well_born(writer.as_fd()));
    let watch = Watch::new(&reader, Interest::READABLE, Mode::Edge);
    let mut buffer = [0; 16];
    assert_eq!(reader.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    watch.nothing();
    assert_eq!(writer.write(b"hello").unwrap(), 5);
    assert_eq!(writer.write_vectored(&[IoSlice::new(b"one"), IoSlice::new(b"two")]).unwrap(), 6);
    assert!(watch.next().contains(Readiness::READABLE));
    assert_eq!(reader.read(&mut buffer[..6]).unwrap(), 6);
    assert_eq!(&buffer[..6], b"helloo");
    let (mut head, mut tail) = ([0; 2], [0; 9]);
    let mut slices = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    assert_eq!(reader.read_vectored(&mut slices).unwrap(), 5);
    assert_eq!((&head, &tail[..3]), (b"ne", b"two".as_slice()));
    drop(writer);
    assert!(watch.next().contains(Readiness::READ_CLOSED));
    assert_eq!(reader.read(&mut buffer).unwrap(), 0);
}

#[test]
fn a_full_pipe_would_block_until_it_is_read() {
    let (reader, writer) = pipe().unwrap();
    let watch = Watch::new(&writer, Interest::WRITABLE, Mode::Edge);
    assert!(watch.next().contains(Readiness::WRITABLE));
    let (mut written, mut read) = (0, 0);
    let error = loop {
        match writer.write(&[7; 65_536]) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    watch.nothing();
    while let Ok(count) = reader.read(&mut [0; 65_536]) {
        read += count;
    }
    assert_eq!(read, written);
    assert!(watch.next().contains(Readiness::WRITABLE));
}

#[test]
fn the_ends_of_a_childs_pipes_can_be_taken_over() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let writer = PipeWriter::from_fd(child.stdin.take().unwrap().into()).unwrap();
    let reader = PipeReader::from_fd(child.stdout.take().unwrap().into()).unwrap();
    assert!(is_well_born(reader.as_fd()) && is_well_born(writer.as_fd()));
    assert_eq!(writer.write(b"meow").unwrap(), 4);
    let watch = Watch::new(&reader, Interest::READABLE, Mode::Edge);
    watch.next();
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 4);
    drop(OwnedFd::from(writer));
    while !watch.next().contains(Readiness::READ_CLOSED) {}
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
    drop(OwnedFd::from(reader));
    assert!(child.wait().unwrap().success());
}
