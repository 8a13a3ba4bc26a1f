//! Datagram sockets under a selector. They are the standard library's: a selector takes any descriptor.
#![cfg(not(loom))]

mod util;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

use mainspring_sys::{Interest, Mode, Readiness, Selector, Token};
use util::{KQUEUE, Watch, everything, udp};

fn reading(source: &impl AsFd) -> Watch {
    Watch::new(source, Interest::READABLE, Mode::Edge)
}

fn exchange(ours: &UdpSocket, theirs: &UdpSocket) {
    let addresses = [ours, theirs].map(|socket| socket.local_addr().unwrap());
    let watches = [ours, theirs].map(reading);
    for _ in 0..3 {
        for (from, to, index) in [(ours, theirs, 1), (theirs, ours, 0)] {
            watches[index].nothing();
            from.send_to(b"hello", addresses[index]).unwrap();
            watches[index].until(Readiness::READABLE);
            let mut buffer = [0; 64];
            let (count, sender) = to.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..count], sender), (b"hello".as_slice(), addresses[1 - index]));
            assert_eq!(to.recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}

#[test]
fn datagrams_pass_both_ways_and_each_is_an_edge_of_its_own() {
    exchange(&udp(), &udp());
}

#[test]
fn datagrams_pass_over_ipv6() {
    let any: SocketAddr = "[::1]:0".parse().unwrap();
    let (Ok(ours), Ok(theirs)) = (UdpSocket::bind(any), UdpSocket::bind(any)) else {
        // A machine without IPv6 cannot listen there either.
        return assert!(std::net::TcpListener::bind(any).is_err());
    };
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    exchange(&ours, &theirs);
}

#[test]
fn both_directions_of_a_datagram_socket_are_reported() {
    let (ours, theirs) = (udp(), udp());
    let watch = Watch::new(&ours, everything(), Mode::Edge);
    assert_eq!(watch.next(), Readiness::WRITABLE);
    theirs.send_to(b"x", ours.local_addr().unwrap()).unwrap();
    watch.until(Readiness::READABLE);
}

#[test]
fn a_connected_datagram_socket_hears_its_peer_alone() {
    let (ours, peer, stranger) = (udp(), udp(), udp());
    ours.connect(peer.local_addr().unwrap()).unwrap();
    let watch = reading(&ours);
    stranger.send_to(b"stranger", ours.local_addr().unwrap()).unwrap();
    watch.nothing();
    peer.send_to(b"peer", ours.local_addr().unwrap()).unwrap();
    watch.next();
    let mut buffer = [0; 64];
    assert_eq!(ours.recv(&mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"peer");
    assert_eq!(ours.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn connecting_again_changes_the_peer_and_the_events_go_on() {
    let (ours, peers) = (udp(), [udp(), udp()]);
    let watch = reading(&ours);
    for round in 0..4 {
        let peer = &peers[round % 2];
        ours.connect(peer.local_addr().unwrap()).unwrap();
        ours.send(b"to").unwrap();
        reading(peer).next();
        assert_eq!(peer.recv(&mut [0; 9]).unwrap(), 2);
        peer.send_to(b"fro", ours.local_addr().unwrap()).unwrap();
        watch.until(Readiness::READABLE);
        assert_eq!(ours.recv(&mut [0; 9]).unwrap(), 3);
    }
}

#[test]
fn a_datagram_socket_can_be_changed_and_let_go() {
    let (ours, theirs) = (udp(), udp());
    let address = ours.local_addr().unwrap();
    let watch = Watch::new(&ours, Interest::WRITABLE, Mode::Edge);
    watch.next();
    theirs.send_to(b"one", address).unwrap();
    watch.selector.reregister(ours.as_fd(), Token(7), Interest::READABLE, Mode::Edge).unwrap();
    let events = util::expect(&watch.selector);
    assert!(events.iter().all(|event| event.token() == Token(7) && event.is_readable() && !event.is_writable()));
    watch.selector.deregister(ours.as_fd()).unwrap();
    theirs.send_to(b"two", address).unwrap();
    reading(&ours).next();
    watch.nothing();
    assert_eq!(ours.recv(&mut [0; 9]).unwrap(), 3);
    assert_eq!(ours.recv(&mut [0; 9]).unwrap(), 3);
}

fn unix_pair() -> (UnixDatagram, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

#[test]
fn unix_datagrams_pass_both_ways() {
    let (ours, theirs) = unix_pair();
    for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
        let watch = Watch::new(to, everything(), Mode::Edge);
        assert_eq!(watch.next(), Readiness::WRITABLE);
        from.send(b"hello").unwrap();
        watch.until(Readiness::READABLE);
        assert_eq!(to.recv(&mut [0; 9]).unwrap(), 5);
        assert_eq!(to.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
        watch.selector.deregister(to.as_fd()).unwrap();
        from.send(b"again").unwrap();
        watch.nothing();
        assert_eq!(to.recv(&mut [0; 9]).unwrap(), 5);
    }
}

#[test]
fn ones_own_shutdown_of_a_unix_datagram_socket_is_reported() {
    let (ours, _theirs) = unix_pair();
    let watch = Watch::new(&ours, everything(), Mode::Edge);
    watch.next();
    ours.shutdown(std::net::Shutdown::Read).unwrap();
    watch.until(Readiness::READ_CLOSED);
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let closed = if KQUEUE { Readiness::WRITE_CLOSED } else { Readiness::WRITE_CLOSED | Readiness::HANGUP };
    watch.until(closed);
    assert_eq!(ours.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}
