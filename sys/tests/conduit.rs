//! Conduits: what comes out of one socket or pipe and goes into another.
#![cfg(not(loom))]
mod util;

use std::io::ErrorKind;
use std::net::Shutdown;

use mainspring_sys::{Conduit, Inlet, Outlet, Socket, pipe};
use util::{send_urgent, tcp_pair};

#[test]
fn bytes_come_out_as_they_went_in_whatever_room_there_is_at_whatever_ends() {
    for (from_pipe, to_pipe) in [(false, false), (false, true), (true, false), (true, true)] {
        let ((sender, from_socket), (to_socket, receiver)) =
            (Socket::unix_stream_pair().unwrap(), Socket::unix_stream_pair().unwrap());
        let ((from_reader, writer), (reader, to_writer)) = (pipe().unwrap(), pipe().unwrap());
        let from: Inlet<'_> = if from_pipe { (&from_reader).into() } else { (&from_socket).into() };
        let to: Outlet<'_> = if to_pipe { (&to_writer).into() } else { (&to_socket).into() };
        let send = |bytes: &[u8]| if from_pipe { writer.write(bytes) } else { sender.send(bytes) };
        let receive = |buffer: &mut [u8]| if to_pipe { reader.read(buffer) } else { receiver.recv(buffer) };
        let sent: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let (mut rest, mut received) = (&sent[..], Vec::new());
        let mut conduit = Conduit::new(from, to);
        let mut waited = [0; 3];
        let mut buffer = [0; 30_000];
        while received.len() < sent.len() {
            match send(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) => assert_eq!((error.kind(), waited[0] += 1), (ErrorKind::WouldBlock, ())),
            }
            for _ in 0..3 {
                if conduit.is_empty() {
                    match conduit.fill() {
                        Ok(goes_on) => assert!(goes_on),
                        Err(error) => assert_eq!((error.kind(), waited[1] += 1), (ErrorKind::WouldBlock, ())),
                    }
                }
                while !conduit.is_empty() {
                    if let Err(error) = conduit.drain() {
                        assert_eq!((error.kind(), waited[2] += 1), (ErrorKind::WouldBlock, ()));
                        break;
                    }
                }
            }
            if let Ok(count) = receive(&mut buffer) {
                received.extend_from_slice(&buffer[..count]);
            }
        }
        assert!(received == sent, "from a pipe: {from_pipe}, to a pipe: {to_pipe}");
        assert_eq!(conduit.moved(), sent.len() as u64);
        assert!(waited[2] > 0, "the receiver was slow: {waited:?}");
    }
}

#[test]
fn an_empty_conduit_drains_nothing_and_an_end_fills_none() {
    let (sender, from) = Socket::unix_stream_pair().unwrap();
    let (reader, writer) = pipe().unwrap();
    let (to, _receiver) = Socket::unix_stream_pair().unwrap();
    let inlets: [Inlet<'_>; 2] = [(&from).into(), (&reader).into()];
    let mut conduits = inlets.map(|inlet| Conduit::new(inlet, &to));
    for conduit in &mut conduits {
        conduit.drain().unwrap();
        assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    sender.shutdown(Shutdown::Write).unwrap();
    drop(writer);
    for conduit in &mut conduits {
        assert!(!conduit.fill().unwrap());
        assert_eq!((conduit.is_empty(), conduit.moved()), (true, 0));
    }
}

#[test]
fn of_two_ends_that_are_not_ready_the_one_is_waited_for_that_is_not() {
    let (sender, from) = Socket::unix_stream_pair().unwrap();
    let (reader, to) = pipe().unwrap();
    let mut conduit = Conduit::new(&from, &to);
    while to.write(&[0; 4096]).is_ok() {}
    assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::WouldBlock, "nothing has come");
    sender.send(b"x").unwrap();
    assert!(conduit.fill().unwrap(), "it waits for room");
    assert_eq!(conduit.fill().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!((conduit.drain().unwrap_err().kind(), conduit.is_empty()), (ErrorKind::WouldBlock, false));
    while reader.read(&mut [0; 65_536]).is_ok() {}
    conduit.drain().unwrap();
    assert_eq!((conduit.is_empty(), conduit.moved(), reader.read(&mut [0; 9]).unwrap()), (true, 1, 1));
}

#[test]
fn past_urgent_data_the_stream_goes_on_to_its_end() {
    for (to_pipe, ends) in [(false, true), (true, true), (true, false)] {
        let ((sender, from), (to_socket, receiver), (reader, writer)) = (tcp_pair(), tcp_pair(), pipe().unwrap());
        let to: Outlet<'_> = if to_pipe { (&writer).into() } else { (&to_socket).into() };
        sender.send(b"before").unwrap();
        send_urgent(&sender);
        sender.send(b"after").unwrap();
        if ends {
            sender.shutdown(Shutdown::Write).unwrap();
        }
        let mut conduit = Conduit::new(&from, to);
        let mut tries = 0;
        // Loopback: what was sent has come. What has not ended says so at last.
        while conduit.fill().unwrap_or(false) {
            conduit.drain().unwrap();
            tries += 1;
            assert!(tries < 10, "it spins, after {} bytes", conduit.moved());
        }
        let mut buffer = [0; 64];
        let mut received = Vec::new();
        let receive = |buffer: &mut [u8]| if to_pipe { reader.read(buffer) } else { receiver.recv(buffer) };
        while let Ok(count @ 1..) = receive(&mut buffer) {
            received.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(String::from_utf8(received).unwrap(), "beforeafter", "to a pipe: {to_pipe}, ends: {ends}");
    }
}

#[test]
fn what_is_no_pipe_and_cannot_be_spliced_goes_through_a_buffer() {
    // A terminal, a socket or whatever a program has for its standard output.
    let (left, right) = Socket::unix_stream_pair().unwrap();
    let (writer, reader) = (left.into(), right.into());
    let (from, to) = (mainspring_sys::PipeReader::from_fd(reader), mainspring_sys::PipeWriter::from_fd(writer));
    let (from, to) = (from.unwrap(), to.unwrap());
    let (sender, middle) = Socket::unix_stream_pair().unwrap();
    sender.send(b"hello").unwrap();
    let mut conduit = Conduit::new(&middle, &to);
    assert!(conduit.fill().unwrap());
    conduit.drain().unwrap();
    assert_eq!((conduit.moved(), from.read(&mut [0; 9]).unwrap()), (5, 5));
}
