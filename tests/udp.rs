//! UDP: datagrams one by one and in batches, errors that come back, groups, and what a dropped future leaves.
mod util;

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use mainspring::net::{Datagrams, UdpSocket};
use mainspring::spawn;
use mainspring::tick::{Tick, schedule};
use util::runtime::*;

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Two that are connected to each other.
async fn connected() -> (UdpSocket, UdpSocket) {
    let ((left, left_address), (right, right_address)) = (socket(), socket());
    left.connect(right_address).await.unwrap();
    right.connect(left_address).await.unwrap();
    (left, right)
}

#[test]
fn datagrams_go_both_ways_with_their_addresses() {
    run(async {
        let ((left, left_address), (right, right_address)) = (socket(), socket());
        let mut buffer = [0; 32];
        assert_eq!(right.try_recv_from(&mut buffer).unwrap(), None);
        assert_eq!(left.send_to(b"one", right_address).await.unwrap(), 3);
        assert_eq!(right.recv_from(&mut buffer).await.unwrap(), (3, left_address));
        assert_eq!(&buffer[..3], b"one");
        assert_eq!(right.try_send_to(b"two and", left_address).unwrap(), Some(7));
        assert_eq!(left.recv_from(&mut buffer).await.unwrap(), (7, right_address));
        assert_eq!(&buffer[..7], b"two and");
    });
}

#[test]
fn a_connected_socket_sends_and_receives_without_addresses() {
    run(async {
        let (left, right) = connected().await;
        assert_eq!(left.peer_addr().unwrap(), right.local_addr().unwrap());
        let mut buffer = [0; 32];
        assert_eq!(left.send(b"hello").await.unwrap(), 5);
        assert_eq!(right.recv(&mut buffer).await.unwrap(), 5);
        assert_eq!(right.try_send(b"back").unwrap(), Some(4));
        left.readable().await.unwrap();
        assert_eq!(left.try_recv(&mut buffer).unwrap(), Some(4));
        // What a third sends is dropped.
        let (third, _) = socket();
        third.send_to(b"stranger", left.local_addr().unwrap()).await.unwrap();
        right.send(b"friend").await.unwrap();
        assert_eq!(left.recv(&mut buffer).await.unwrap(), 6);
        assert_eq!(left.try_recv(&mut buffer).unwrap(), None);
    });
}

#[test]
fn connect_tries_one_address_after_the_other() {
    run(async {
        let ((left, _), (_right, address)) = (socket(), socket());
        // The family of the first does not fit.
        left.connect(vec!["[::1]:9".parse().unwrap(), address]).await.unwrap();
        assert_eq!(left.peer_addr().unwrap(), address);
        assert!(left.connect("[::1]:9").await.unwrap_err().raw_os_error().is_some());
        assert_eq!(left.connect(Vec::new()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UdpSocket::bind(Vec::new()).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_datagram_of_zero_bytes_is_delivered() {
    run(async {
        let ((left, left_address), (right, right_address)) = (socket(), socket());
        assert_eq!(left.send_to(b"", right_address).await.unwrap(), 0);
        let mut buffer = [7; 8];
        assert_eq!(right.recv_from(&mut buffer).await.unwrap(), (0, left_address));
        assert_eq!(right.try_recv_from(&mut buffer).unwrap(), None, "it was taken");
        // Also to a tick, again and again: it is no end.
        let received = Rc::new(Cell::new(0));
        let count = received.clone();
        let task = schedule(move || {
            while let Some((length, _)) = right.try_recv_from(&mut [0; 8])? {
                assert_eq!(length, 0);
                count.set(count.get() + 1);
            }
            Ok(if count.get() < 3 { Tick::WouldBlock } else { Tick::Final })
        });
        for _ in 0..3 {
            turns(2).await;
            left.send_to(b"", right_address).await.unwrap();
        }
        task.await.unwrap().unwrap();
        assert_eq!(received.get(), 3);
    });
}

#[test]
fn a_short_read_says_nothing_about_what_is_left() {
    let ((), stats) = run(async {
        let (left, right) = connected().await;
        for text in [b"a", b"b", b"c"] {
            left.send(text).await.unwrap();
        }
        let mut buffer = [0; 64];
        for text in [b"a", b"b", b"c"] {
            // Each is shorter than the buffer, and the next is there at once, without an event in between.
            assert_eq!(right.try_recv(&mut buffer).unwrap(), Some(1));
            assert_eq!(&buffer[..1], text);
        }
    });
    assert_eq!(stats.waits, 0);
}

#[test]
fn buffers_that_are_too_small_or_empty_lose_the_rest_as_is_said() {
    run(async {
        let (left, right) = connected().await;
        for _ in 0..3 {
            left.send(b"0123456789").await.unwrap();
        }
        let mut buffer = [0; 4];
        assert_eq!(right.recv(&mut []).await.unwrap(), 0, "takes none");
        assert_eq!(right.peek(&mut buffer).await.unwrap(), 4);
        assert_eq!(right.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer, b"0123");
        assert_eq!(right.recv_from(&mut []).await.unwrap().0, 0, "takes one");
        assert_eq!(right.try_recv_from(&mut buffer).unwrap().unwrap().0, 4);
        assert_eq!(right.try_recv(&mut buffer).unwrap(), None);
    });
}

#[test]
fn a_peek_leaves_the_datagram() {
    run(async {
        let ((left, left_address), (right, right_address)) = (socket(), socket());
        left.send_to(b"stay", right_address).await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(right.peek_from(&mut buffer).await.unwrap(), (4, left_address));
        assert_eq!(right.try_peek_from(&mut buffer).unwrap(), Some((4, left_address)));
        assert_eq!(right.try_peek(&mut buffer).unwrap(), Some(4));
        assert_eq!(right.try_recv_from(&mut buffer).unwrap(), Some((4, left_address)));
        assert_eq!(right.try_peek_from(&mut buffer).unwrap(), None);
    });
}

#[test]
fn a_datagram_that_nobody_takes_is_an_error_and_the_socket_lives_on() {
    run(async {
        let ((left, left_address), (right, right_address)) = (socket(), socket());
        left.connect(right_address).await.unwrap();
        drop(right);
        left.send(b"to nobody").await.unwrap();
        let error = left.recv(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.raw_os_error().is_some());
        // It is told once, and what is sent and received afterwards goes through.
        let back = UdpSocket::bind(right_address).unwrap();
        back.send_to(b"hello", left_address).await.unwrap();
        assert_eq!(left.recv(&mut [0; 8]).await.unwrap(), 5);
        assert_eq!(left.send(b"again").await.unwrap(), 5);
        assert_eq!(back.recv_from(&mut [0; 8]).await.unwrap(), (5, left_address));
    });
}

#[test]
fn a_datagram_that_is_too_long_is_an_error_and_the_socket_lives_on() {
    run(async {
        let (left, right) = connected().await;
        let error = left.send(&[0; 65_508]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        left.send(&[9; 65_507]).await.unwrap();
        assert_eq!(right.recv(&mut vec![0; 65_527]).await.unwrap(), 65_507);
    });
}

#[test]
fn batches_are_sent_received_and_answered() {
    run(async {
        let ((client, client_address), (server, server_address)) = (socket(), socket());
        let mut batch = Datagrams::new(32, 100);
        assert_eq!(client.send_datagrams(&mut batch).await.unwrap(), 0, "nothing to send");
        assert_eq!(server.try_recv_datagrams(&mut batch).unwrap(), None);
        let echo = spawn(async move {
            let (mut batch, mut count) = (Datagrams::new(8, 100), 0);
            while count < 32 {
                count += server.recv_datagrams(&mut batch).await.unwrap();
                assert!(batch.iter().all(|datagram| datagram.address() == Some(client_address)));
                while !batch.is_empty() {
                    server.send_datagrams(&mut batch).await.unwrap();
                }
            }
            // A tick takes them as well.
            server
        });
        for index in 0..32_u8 {
            batch.push(&vec![index; index as usize], Some(&server_address)).unwrap();
        }
        while !batch.is_empty() {
            client.send_datagrams(&mut batch).await.unwrap();
        }
        let mut received = Vec::new();
        while received.len() < 32 {
            client.recv_datagrams(&mut batch).await.unwrap();
            received.extend(batch.iter().map(|datagram| datagram.bytes().to_vec()));
        }
        assert_eq!(received, (0..32_u8).map(|index| vec![index; index as usize]).collect::<Vec<_>>());
        let server = echo.await.unwrap();
        client.send_to(b"one", server_address).await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.try_recv_datagrams(&mut batch).unwrap(), Some(1));
        assert_eq!(server.try_send_datagrams(&mut batch).unwrap(), Some(1));
        assert_eq!(client.recv(&mut [0; 8]).await.unwrap(), 3);
    });
}

#[test]
fn a_wait_ends_with_the_read_timeout_and_the_longest_one_is_never() {
    in_virtual_time(async {
        let ((left, _), (right, right_address)) = (socket(), socket());
        assert_eq!(right.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        right.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(right.read_timeout(), Some(Duration::from_secs(10)));
        let mut buffer = [0; 8];
        for _ in 0..2 {
            assert_eq!(right.recv_from(&mut buffer).await.unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(right.readable().await.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        right.set_read_timeout(Some(Duration::MAX)).unwrap();
        right.set_write_timeout(Some(Duration::MAX)).unwrap();
        assert!(right.write_timeout().is_some());
        right.writable().await.unwrap();
        let reading = spawn(async move { right.recv_from(&mut [0; 8]).await.unwrap().0 });
        turns(2).await;
        left.send_to(b"late", right_address).await.unwrap();
        assert_eq!(reading.await.unwrap(), 4);
    });
}

#[test]
fn a_dropped_receive_loses_nothing() {
    run(async {
        let ((left, _), (right, right_address)) = (socket(), socket());
        for round in 0..100_u8 {
            let mut buffer = [0; 8];
            {
                let mut reading = pin!(right.recv_from(&mut buffer));
                assert!(poll_with(reading.as_mut(), std::task::Waker::noop()).is_pending());
                left.send_to(&[round], right_address).await.unwrap();
                // Dropped with the datagram there, woken or not.
                if round % 2 == 0 {
                    turns(1).await;
                }
            }
            right.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[0], round);
        }
        assert_eq!(stats().waits, 0);
    });
}

#[test]
fn ten_thousand_cancelled_receives_leave_no_wait() {
    run(async {
        let (socket, _) = socket();
        let mut batch = Datagrams::new(1, 8);
        for _ in 0..10_000 {
            assert!(poll_once(socket.recv(&mut [0])).is_pending());
            assert!(poll_once(socket.recv_from(&mut [0])).is_pending());
            assert!(poll_once(socket.peek_from(&mut [0])).is_pending());
            assert!(poll_once(socket.recv_datagrams(&mut batch)).is_pending());
            assert!(poll_once(socket.readable()).is_pending());
            assert_eq!(stats().waits, 0);
            // So many within one poll are a spin.
            mainspring::yield_now().await;
        }
    });
}

#[test]
fn many_senders_and_one_receiver_in_tasks_of_their_own() {
    const SENDERS: usize = 8;
    const EACH: usize = 50;
    run(async {
        let (receiver, address) = socket();
        // One at a time: the queue of the system is bounded, and what does not fit is lost.
        let receiving = spawn(async move {
            let mut counts = [0; SENDERS];
            for _ in 0..SENDERS * EACH {
                let mut buffer = [0; 8];
                let (length, from) = receiver.recv_from(&mut buffer).await.unwrap();
                assert_eq!(length, 2);
                assert_eq!(buffer[1] as usize, counts[buffer[0] as usize], "in order");
                counts[buffer[0] as usize] += 1;
                receiver.send_to(b"+", from).await.unwrap();
            }
        });
        let senders = (0..SENDERS).map(|sender| {
            spawn(async move {
                let (socket, _) = socket();
                for index in 0..EACH {
                    socket.send_to(&[sender as u8, index as u8], address).await.unwrap();
                    assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 1);
                }
            })
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.unwrap();
        }
        receiving.await.unwrap();
    });
}

#[test]
fn a_flood_of_datagrams_starves_nobody() {
    run(async {
        let (left, right) = connected().await;
        let done = Rc::new(Cell::new(false));
        let stop = done.clone();
        let flood = spawn(async move {
            // Each of the two is always ready.
            while !stop.get() {
                left.send(b"x").await.unwrap();
                right.recv(&mut [0]).await.unwrap();
            }
        });
        for _ in 0..100 {
            mainspring::yield_now().await;
        }
        done.set(true);
        flood.await.unwrap();
    });
}

#[test]
fn a_group_of_ipv4_is_joined_and_left() {
    run(async {
        let group = Ipv4Addr::new(239, 255, 77, 81);
        let receiver = UdpSocket::options().reuse_address(true).bind("0.0.0.0:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        let second = UdpSocket::options().reuse_address(true).bind(("0.0.0.0", port)).unwrap();
        for socket in [&receiver, &second] {
            socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
            let error = socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
        }
        let (sender, _) = socket();
        sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(sender.multicast_interface_v4().unwrap(), Ipv4Addr::LOCALHOST);
        sender.set_multicast_ttl_v4(0).unwrap();
        assert_eq!(sender.multicast_ttl_v4().unwrap(), 0);
        sender.set_multicast_loop_v4(true).unwrap();
        assert!(sender.multicast_loop_v4().unwrap());
        sender.send_to(b"all", (group, port).into()).await.unwrap();
        for socket in [&receiver, &second] {
            assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 3);
        }
        receiver.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        let error = receiver.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let error = receiver.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_group_of_ipv6_is_joined_and_left() {
    run(async {
        // A machine without IPv6 says so here.
        let receiver = UdpSocket::bind("[::]:0").expect("IPv6");
        let group: Ipv6Addr = "ff01::4d53".parse().unwrap();
        // The loopback interface is the first on every system here.
        receiver.join_multicast_v6(group, 1).unwrap();
        let sender = UdpSocket::bind("[::1]:0").unwrap();
        sender.set_multicast_interface_v6(1).unwrap();
        assert_eq!(sender.multicast_interface_v6().unwrap(), 1);
        sender.set_multicast_hops_v6(1).unwrap();
        assert_eq!(sender.multicast_hops_v6().unwrap(), 1);
        sender.set_multicast_loop_v6(true).unwrap();
        assert!(sender.multicast_loop_v6().unwrap());
        match sender.send_to(b"all", (group, receiver.local_addr().unwrap().port()).into()).await {
            Ok(_) => assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 3),
            // The loopback interface of Linux has no way to groups of IPv6 unless one is set up.
            Err(error) => assert_eq!(error.kind(), ErrorKind::NetworkUnreachable),
        }
        receiver.leave_multicast_v6(group, 1).unwrap();
        assert_eq!(receiver.leave_multicast_v6(group, 1).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn options_are_kept_and_broadcast_has_to_be_allowed() {
    run(async {
        let (socket, _) = socket();
        socket.set_ttl(7).unwrap();
        assert_eq!(socket.ttl().unwrap(), 7);
        assert_eq!(socket.set_ttl(0).unwrap_err().kind(), ErrorKind::InvalidInput);
        socket.set_recv_buffer_size(65_536).unwrap();
        socket.set_send_buffer_size(65_536).unwrap();
        assert!(socket.take_error().unwrap().is_none());
        let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
        assert!(!socket.broadcast().unwrap());
        assert_eq!(socket.send_to(b"x", everybody).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        if let Err(error) = socket.send_to(b"x", everybody).await {
            // A machine without a network has no way there.
            assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
        }
    });
}

#[test]
fn sockets_that_share_a_port_say_so_and_others_are_refused() {
    run(async {
        let first = UdpSocket::options().reuse_port(true).bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let second = UdpSocket::options().reuse_port(true).bind(address).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let error = UdpSocket::bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[test]
fn a_socket_goes_to_std_and_comes_back() {
    run(async {
        let ((left, _), (right, right_address)) = (socket(), socket());
        left.send_to(b"early", right_address).await.unwrap();
        let plain = right.into_std().unwrap();
        assert_eq!(stats().sources, 1);
        assert_eq!(plain.recv(&mut [0; 8]).unwrap(), 5);
        assert_eq!(plain.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock, "it stays non-blocking");
        let right = UdpSocket::from_std(plain).unwrap();
        let reading = spawn(async move { right.recv(&mut [0; 8]).await.unwrap() });
        turns(2).await;
        left.send_to(b"more", right_address).await.unwrap();
        assert_eq!(reading.await.unwrap(), 4);
        assert_eq!((stats().sources, stats().waits), (1, 0));
    });
}

#[test]
fn without_a_reactor_there_is_no_socket_and_after_one_it_says_so() {
    assert!(UdpSocket::bind("127.0.0.1:0").unwrap_err().to_string().contains("a UdpSocket needs a reactor"));
    let ((socket, address), _) = run(async { socket() });
    assert_eq!(socket.try_recv(&mut [0]).unwrap_err().kind(), ErrorKind::NotConnected);
    let Poll::Ready(sent) = poll_once(socket.send_to(b"x", address)) else {
        panic!("it waits for a reactor that ended")
    };
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::NotConnected);
    assert!(format!("{socket:?}").contains(&address.to_string()));
}

#[test]
fn large_datagrams_cost_more_than_small_ones() {
    run(async {
        let (socket, address) = socket();
        let mut buffer = vec![7; 60_000];
        let polls = stats().polls;
        for _ in 0..20 {
            socket.send_to(&buffer, address).await.unwrap();
            assert_eq!(socket.recv(&mut buffer).await.unwrap(), 60_000);
        }
        let singly = stats().polls - polls;
        assert!((3..=6).contains(&singly), "{singly} polls");
        let polls = stats().polls;
        let mut batch = Datagrams::new(2, 60_000);
        for _ in 0..10 {
            batch.clear();
            for _ in 0..2 {
                batch.push(&buffer, Some(&address)).unwrap();
            }
            while !batch.is_empty() {
                socket.send_datagrams(&mut batch).await.unwrap();
            }
            let mut received = 0;
            while received < 2 {
                received += socket.recv_datagrams(&mut batch).await.unwrap();
            }
        }
        let in_batches = stats().polls - polls;
        assert!((3..=6).contains(&in_batches), "{in_batches} polls");
    });
}
