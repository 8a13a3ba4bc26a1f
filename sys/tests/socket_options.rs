//! The options of a socket: what is set is what is read, and durations are never cut short.
#![cfg(not(loom))]

mod util;

use std::time::Duration;

use util::{listener, tcp_pair};

#[test]
fn nodelay_is_kept() {
    let (client, _server) = tcp_pair();
    assert!(!client.nodelay().unwrap());
    client.set_nodelay(true).unwrap();
    assert!(client.nodelay().unwrap());
    client.set_nodelay(false).unwrap();
    assert!(!client.nodelay().unwrap());
}

#[test]
fn linger_is_rounded_up_to_seconds_and_bounded() {
    let (client, _server) = tcp_pair();
    assert_eq!(client.linger().unwrap(), None);
    let table = [
        (Duration::ZERO, 0),
        (Duration::from_nanos(1), 1),
        (Duration::from_secs(1), 1),
        (Duration::from_millis(1001), 2),
        (Duration::MAX, 32_767),
    ];
    for (asked, seconds) in table {
        client.set_linger(Some(asked)).unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::from_secs(seconds)), "{asked:?}");
    }
    client.set_linger(None).unwrap();
    assert_eq!(client.linger().unwrap(), None);
}

#[test]
fn keepalive_is_rounded_up_to_seconds_and_bounded() {
    let (client, _server) = tcp_pair();
    assert_eq!(client.keepalive().unwrap(), None);
    let table = [
        (Duration::ZERO, 1),
        (Duration::from_millis(1), 1),
        (Duration::from_millis(59_001), 60),
        (Duration::MAX, 32_767),
    ];
    for (asked, seconds) in table {
        client.set_keepalive(Some(asked)).unwrap();
        assert_eq!(client.keepalive().unwrap(), Some(Duration::from_secs(seconds)), "{asked:?}");
    }
    client.set_keepalive(None).unwrap();
    assert_eq!(client.keepalive().unwrap(), None);
}

#[test]
fn the_ttl_is_kept_and_bounded() {
    let (client, _server) = tcp_pair();
    client.set_ttl(17).unwrap();
    assert_eq!(client.ttl().unwrap(), 17);
    assert!(client.set_ttl(256).is_err());
    assert_eq!(client.ttl().unwrap(), 17);
}

#[test]
fn buffers_can_be_sized() {
    let listener = listener();
    for bytes in [16_384, 65_536] {
        listener.set_recv_buffer_size(bytes).unwrap();
        listener.set_send_buffer_size(bytes).unwrap();
        assert!(listener.recv_buffer_size().unwrap() >= bytes);
        assert!(listener.send_buffer_size().unwrap() >= bytes);
    }
    // Cut by the system to its own bounds.
    listener.set_recv_buffer_size(usize::MAX).unwrap();
    listener.set_send_buffer_size(usize::MAX).unwrap();
}
