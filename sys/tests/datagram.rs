//! UDP sockets: single datagrams, batches of them, and their options.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use mainspring_sys::{Connect, Datagrams, Interest, Mode, Readiness, Socket};
use util::{KQUEUE, Watch, any_port, is_well_born};

/// A UDP socket on loopback.
fn bound() -> Socket {
    let socket = Socket::udp(&any_port()).unwrap();
    socket.bind(&any_port()).unwrap();
    socket
}

/// The address of a port where nobody is.
fn nobody() -> SocketAddr {
    bound().local_addr().unwrap()
}

/// Two sockets connected to each other.
fn connected() -> (Socket, Socket) {
    let (left, right) = (bound(), bound());
    assert_eq!(left.connect(&right.local_addr().unwrap()).unwrap(), Connect::Done);
    assert_eq!(right.connect(&left.local_addr().unwrap()).unwrap(), Connect::Done);
    (left, right)
}

#[test]
fn a_datagram_arrives_with_the_address_of_its_sender() {
    let (sender, receiver) = (bound(), bound());
    assert!(is_well_born(sender.as_fd()) && !sender.is_tcp_stream());
    assert_eq!(sender.send_to(b"hello", &receiver.local_addr().unwrap()).unwrap(), 5);
    let watch = Watch::new(&receiver, Interest::READABLE, Mode::Edge);
    assert!(watch.next().contains(Readiness::READABLE));
    let from = sender.local_addr().unwrap();
    let mut buffer = [0; 16];
    assert_eq!(receiver.peek_from(&mut buffer).unwrap(), (5, from));
    assert_eq!(receiver.recv_from(&mut buffer).unwrap(), (5, from));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(receiver.recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(receiver.peek_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn ipv6_datagrams_have_ipv6_addresses() {
    let any: SocketAddr = "[::1]:0".parse().unwrap();
    let (sender, receiver) = (Socket::udp(&any).unwrap(), Socket::udp(&any).unwrap());
    if sender.bind(&any).is_err() {
        // A machine without IPv6 has nothing to test.
        return assert!(std::net::UdpSocket::bind(any).is_err());
    }
    receiver.bind(&any).unwrap();
    sender.send_to(b"six", &receiver.local_addr().unwrap()).unwrap();
    assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap(), (3, sender.local_addr().unwrap()));
    let hops = sender.ttl().unwrap();
    sender.set_traffic_class(0x48).unwrap();
    assert_eq!((sender.traffic_class().unwrap(), sender.ttl().unwrap()), (0x48, hops));
    let mut batch = Datagrams::new(2, 9);
    batch.push(b"batch", receiver.local_addr().ok().as_ref()).unwrap();
    sender.send_datagrams(&mut batch).unwrap();
    receiver.recv_datagrams(&mut batch).unwrap();
    assert_eq!(batch.iter().next().unwrap().address(), sender.local_addr().ok());
}

#[test]
fn an_empty_datagram_is_one() {
    let (sender, receiver) = (bound(), bound());
    assert_eq!(sender.send_to(b"", &receiver.local_addr().unwrap()).unwrap(), 0);
    assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap(), (0, sender.local_addr().unwrap()));
    assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn what_does_not_fit_is_lost() {
    let (sender, receiver) = (bound(), bound());
    let from = sender.local_addr().unwrap();
    for text in [b"first", b"other"] {
        sender.send_to(text, &receiver.local_addr().unwrap()).unwrap();
    }
    let mut buffer = [0; 2];
    assert_eq!(receiver.recv_from(&mut buffer).unwrap(), (2, from));
    assert_eq!(&buffer, b"fi");
    assert_eq!(receiver.recv_from(&mut []).unwrap(), (0, from));
    assert_eq!(receiver.recv_from(&mut []).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let (left, right) = connected();
    bound().send_to(b"stranger", &right.local_addr().unwrap()).unwrap();
    assert_eq!(left.send(b"peer").unwrap(), 4);
    let mut buffer = [0; 16];
    assert_eq!(right.recv(&mut buffer).unwrap(), 4);
    assert_eq!(right.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    // Connected again, it hears the other.
    let other = bound();
    right.connect(&other.local_addr().unwrap()).unwrap();
    other.send_to(b"other", &right.local_addr().unwrap()).unwrap();
    assert_eq!(right.recv_from(&mut buffer).unwrap(), (5, other.local_addr().unwrap()));
    assert_eq!(bound().send(b"to whom").unwrap_err().raw_os_error(), Some(libc::EDESTADDRREQ));
}

#[test]
fn a_refused_datagram_is_an_error_once_and_no_end() {
    let socket = bound();
    socket.connect(&nobody()).unwrap();
    let watch = Watch::new(&socket, Interest::READABLE, Mode::Edge);
    socket.send(b"hello?").unwrap();
    // kqueue has no flag for it: only the next call tells.
    assert!(watch.next().contains(if KQUEUE { Readiness::READABLE } else { Readiness::ERROR }));
    assert_eq!(socket.recv_from(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(socket.recv_from(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(socket.send(b"again").unwrap(), 5);
}

#[test]
fn a_datagram_that_is_too_long_is_not_sent() {
    let (sender, receiver) = (bound(), bound());
    let to = receiver.local_addr().unwrap();
    assert_eq!(sender.send_to(&[0; 65_508], &to).unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
    assert_eq!(sender.send_to(&[0; 9_000], &to).unwrap(), 9_000);
    assert_eq!(receiver.recv_from(&mut vec![0; 65_536]).unwrap().0, 9_000);
}

#[test]
fn a_batch_goes_out_and_comes_in_whole_and_in_order() {
    let (sender, receiver) = (bound(), bound());
    let to = receiver.local_addr().unwrap();
    let mut batch = Datagrams::new(usize::MAX, 100);
    assert_eq!((batch.capacity(), batch.room()), (Datagrams::CAPACITY_MAX, 100));
    assert_eq!(sender.send_datagrams(&mut batch).unwrap(), 0);
    for index in 0..Datagrams::CAPACITY_MAX {
        batch.push(&vec![index as u8; index], Some(&to)).unwrap();
    }
    let full = batch.push(b"more", Some(&to)).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::InvalidInput);
    assert!(full.to_string().contains("32"), "{full}");
    assert_eq!(sender.send_datagrams(&mut batch).unwrap(), Datagrams::CAPACITY_MAX);
    assert!(batch.is_empty());

    assert_eq!(receiver.recv_datagrams(&mut batch).unwrap(), Datagrams::CAPACITY_MAX);
    for (index, datagram) in batch.iter().enumerate() {
        assert_eq!(datagram.bytes(), vec![index as u8; index]);
        assert_eq!(datagram.address(), sender.local_addr().ok());
        assert!(!datagram.is_truncated());
    }
    assert_eq!(receiver.recv_datagrams(&mut batch).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(batch.is_empty());
}

#[test]
fn a_batch_that_was_received_can_be_sent_back() {
    let server = bound();
    let clients: Vec<_> = (0..5).map(|_| bound()).collect();
    for (index, client) in clients.iter().enumerate() {
        client.send_to(&[index as u8; 3], &server.local_addr().unwrap()).unwrap();
    }
    let mut batch = Datagrams::new(8, 16);
    assert_eq!(server.recv_datagrams(&mut batch).unwrap(), 5);
    assert_eq!(server.send_datagrams(&mut batch).unwrap(), 5);
    for (index, client) in clients.iter().enumerate() {
        let mut buffer = [9; 4];
        assert_eq!(client.recv_from(&mut buffer).unwrap(), (3, server.local_addr().unwrap()));
        assert_eq!(buffer, [index as u8, index as u8, index as u8, 9]);
    }
}

#[test]
fn a_batch_receives_what_there_is_room_for_and_the_rest_next() {
    let (left, right) = connected();
    for text in [b"one", b"two", b"six"] {
        left.send(text).unwrap();
    }
    let mut batch = Datagrams::new(2, 16);
    for (expected, count) in [([b"one", b"two"], 2), ([b"six"; 2], 1)] {
        assert_eq!(right.recv_datagrams(&mut batch).unwrap(), count);
        let texts: Vec<_> = batch.iter().map(|datagram| datagram.bytes()).collect();
        assert_eq!(texts, expected[..count]);
    }
}

#[test]
fn each_datagram_of_a_batch_says_if_it_was_cut() {
    let (left, right) = connected();
    for text in [b"12345678".as_slice(), b"123456789", b""] {
        left.send(text).unwrap();
    }
    let mut batch = Datagrams::new(4, 8);
    assert_eq!(right.recv_datagrams(&mut batch).unwrap(), 3);
    let seen: Vec<_> = batch.iter().map(|datagram| (datagram.bytes().len(), datagram.is_truncated())).collect();
    assert_eq!(seen, [(8, false), (8, true), (0, false)]);
    // Nothing of that is left in what is added next.
    batch.clear();
    batch.push(b"x", None).unwrap();
    assert!(batch.iter().all(|datagram| datagram.bytes() == b"x" && datagram.address().is_none()));
}

#[test]
fn a_batch_stops_at_what_cannot_be_sent_and_goes_on_behind_it() {
    let (left, right) = connected();
    let mut batch = Datagrams::new(4, 70_000);
    assert!(batch.push(&[0; 70_001], None).unwrap_err().to_string().contains("70001"));
    for length in [1, 2, 66_000, 4] {
        batch.push(&vec![7; length], None).unwrap();
    }
    assert_eq!(left.send_datagrams(&mut batch).unwrap(), 2);
    assert_eq!(batch.len(), 2);
    assert_eq!(left.send_datagrams(&mut batch).unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
    assert_eq!(batch.len(), 2);
    batch.skip(1);
    assert_eq!(left.send_datagrams(&mut batch).unwrap(), 1);
    assert!(batch.is_empty());
    assert_eq!(right.recv_datagrams(&mut batch).unwrap(), 3);
    let lengths: Vec<_> = batch.iter().map(|datagram| datagram.bytes().len()).collect();
    assert_eq!(lengths, [1, 2, 4]);
    batch.skip(100);
    assert!(batch.is_empty());
}

#[test]
fn broadcast_has_to_be_allowed() {
    let socket = bound();
    let everyone = "255.255.255.255:9".parse().unwrap();
    assert!(!socket.broadcast().unwrap());
    assert_eq!(socket.send_to(b"x", &everyone).unwrap_err().kind(), ErrorKind::PermissionDenied);
    socket.set_broadcast(true).unwrap();
    assert!(socket.broadcast().unwrap());
    // Whether there is a network to send it by is another question.
    let denied = |error: &std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    assert!(!socket.send_to(b"x", &everyone).is_err_and(|error| denied(&error)));
}

#[test]
fn a_group_of_ipv4_is_heard_by_who_has_joined_it() {
    let (group, here) = (Ipv4Addr::new(239, 77, 77, 77), Ipv4Addr::LOCALHOST);
    let receiver = Socket::udp(&any_port()).unwrap();
    receiver.bind(&"0.0.0.0:0".parse().unwrap()).unwrap();
    receiver.join_multicast_v4(group, here).unwrap();
    assert_eq!(receiver.join_multicast_v4(group, here).unwrap_err().kind(), ErrorKind::AddrInUse);
    let not_a_group = receiver.join_multicast_v4(here, here).unwrap_err();
    assert_eq!(not_a_group.kind(), ErrorKind::InvalidInput);

    let sender = bound();
    sender.set_multicast_interface_v4(here).unwrap();
    assert_eq!(sender.multicast_interface_v4().unwrap(), here);
    assert_eq!((sender.multicast_ttl_v4().unwrap(), sender.multicast_loop_v4().unwrap()), (1, true));
    sender.set_multicast_ttl_v4(0).unwrap();
    assert_eq!(sender.multicast_ttl_v4().unwrap(), 0);
    let to = SocketAddr::from((group, receiver.local_addr().unwrap().port()));
    sender.send_to(b"all", &to).unwrap();
    let watch = Watch::new(&receiver, Interest::READABLE, Mode::Edge);
    watch.next();
    assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap(), (3, sender.local_addr().unwrap()));

    sender.set_multicast_loop_v4(false).unwrap();
    assert!(!sender.multicast_loop_v4().unwrap());
    receiver.leave_multicast_v4(group, here).unwrap();
    assert_eq!(receiver.leave_multicast_v4(group, here).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    sender.set_multicast_loop_v4(true).unwrap();
    sender.send_to(b"all", &to).unwrap();
    watch.nothing();
}

#[test]
fn a_group_of_ipv6_can_be_joined_and_left() {
    let any: SocketAddr = "[::1]:0".parse().unwrap();
    let socket = Socket::udp(&any).unwrap();
    if socket.bind(&any).is_err() {
        return assert!(std::net::UdpSocket::bind(any).is_err());
    }
    let group: Ipv6Addr = "ff01::77".parse().unwrap();
    // Loopback is the first interface.
    socket.join_multicast_v6(group, 1).unwrap();
    assert_eq!(socket.join_multicast_v6(group, 1).unwrap_err().kind(), ErrorKind::AddrInUse);
    socket.leave_multicast_v6(group, 1).unwrap();
    assert_eq!(socket.leave_multicast_v6(group, 1).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    assert_eq!((socket.multicast_hops_v6().unwrap(), socket.multicast_loop_v6().unwrap()), (1, true));
    socket.set_multicast_hops_v6(3).unwrap();
    socket.set_multicast_loop_v6(false).unwrap();
    assert_eq!((socket.multicast_hops_v6().unwrap(), socket.multicast_loop_v6().unwrap()), (3, false));
    socket.set_multicast_interface_v6(1).unwrap();
    assert_eq!(socket.multicast_interface_v6().unwrap(), 1);
}
