//! Conduits: what one socket received and another sends.
#![cfg(not(loom))]

use std::io::ErrorKind;
use std::net::Shutdown;

use mainspring_sys::{Conduit, Socket};

#[test]
fn bytes_come_out_as_they_went_in_whatever_room_there_is() {
    let (sender, from) = Socket::unix_stream_pair().unwrap();
    let (to, receiver) = Socket::unix_stream_pair().unwrap();
    let sent: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let (mut rest, mut received) = (&sent[..], Vec::new());
    let mut conduit = Conduit::new();
    let mut waited = [0; 3];
    let mut buffer = [0; 30_000];
    while received.len() < sent.len() {
        match sender.send(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) => assert_eq!((error.kind(), waited[0] += 1), (ErrorKind::WouldBlock, ())),
        }
        for _ in 0..3 {
            if conduit.is_empty() {
                match conduit.fill(&from) {
                    Ok(count) => assert!(count > 0 && count == conduit.len()),
                    Err(error) => assert_eq!((error.kind(), waited[1] += 1), (ErrorKind::WouldBlock, ())),
                }
            }
            while !conduit.is_empty() {
                let before = conduit.len();
                match conduit.drain(&to) {
                    Ok(count) => assert_eq!(conduit.len(), before - count),
                    Err(error) => {
                        assert_eq!((error.kind(), waited[2] += 1), (ErrorKind::WouldBlock, ()));
                        break;
                    }
                }
            }
        }
        if let Ok(count) = receiver.recv(&mut buffer) {
            received.extend_from_slice(&buffer[..count]);
        }
    }
    assert!(received == sent);
    assert!(waited[2] > 0, "the receiver was slow: {waited:?}");
}

#[test]
fn an_empty_conduit_drains_nothing_and_an_end_fills_none() {
    let (sender, from) = Socket::unix_stream_pair().unwrap();
    let mut conduit = Conduit::default();
    assert_eq!((conduit.drain(&from).unwrap(), conduit.len()), (0, 0));
    assert_eq!(conduit.fill(&from).unwrap_err().kind(), ErrorKind::WouldBlock);
    sender.shutdown(Shutdown::Write).unwrap();
    assert_eq!((conduit.fill(&from).unwrap(), conduit.is_empty()), (0, true));
}
