//! Futures of datagram sockets, dropped at each point of their lives (`util/dropped.rs`).
#![cfg(feature = "service")]
mod util;

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use mainspring::codec::{FramedDatagrams, Lines};
use mainspring::net::{Datagrams, UdpSocket, UnixDatagram};
use util::dropped::{dropped, once};
use util::folder::Folder;
use util::runtime::run;

#[test]
fn what_waits_for_datagrams() {
    run(async {
        let (ours, theirs) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        ours.connect(theirs.local_addr().unwrap()).await.unwrap();
        theirs.connect(ours.local_addr().unwrap()).await.unwrap();
        let send = || once(|| assert_eq!(theirs.try_send(b"ab").unwrap(), Some(2)));
        let s = &mut &ours;
        assert_eq!(
            dropped("peek", s, |s| Box::pin(async move { s.peek(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        assert_eq!(ours.recv(&mut [0; 9]).await.unwrap(), 2);
        assert_eq!(
            dropped("recv", s, |s| Box::pin(async move { s.recv(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        assert_eq!(
            dropped("recv_from", s, |s| Box::pin(async move { s.recv_from(&mut [0; 9]).await }), send())
                .await
                .unwrap()
                .0,
            2
        );
        assert_eq!(
            dropped(
                "recv_datagrams",
                s,
                |s| Box::pin(async move { s.recv_datagrams(&mut Datagrams::new(2, 9)).await }),
                send()
            )
            .await
            .unwrap(),
            1
        );

        let peeked = dropped("peek_from", s, |s| Box::pin(async move { s.peek_from(&mut [0; 9]).await }), send());
        assert_eq!(peeked.await.unwrap().0, 2);
        while ours.try_recv(&mut [0; 9]).unwrap().is_some() {}
        dropped("readable", s, |s| Box::pin(s.readable()), send()).await.unwrap();
        assert_eq!(ours.recv(&mut [0; 9]).await.unwrap(), 2);
        // Sending finds room at once: what goes to this machine is charged to its receiver, and dropped if that has
        // none.

        let mut framed = FramedDatagrams::new(ours, Lines::new());
        let next = dropped("next", &mut framed, |s| Box::pin(s.next()), send()).await;
        assert_eq!(next.unwrap().0, "ab");
    });
}

#[test]
fn what_waits_for_unix_datagrams() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let send = || once(|| assert_eq!(theirs.try_send(b"ab").unwrap(), Some(2)));
        let s = &mut &ours;
        assert_eq!(
            dropped("recv", s, |s| Box::pin(async move { s.recv(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        let received = dropped("recv_from", s, |s| Box::pin(async move { s.recv_from(&mut [0; 9]).await }), send());
        assert_eq!(received.await.unwrap().0, 2);
        let received = dropped(
            "recv_datagrams",
            s,
            |s| Box::pin(async move { s.recv_datagrams(&mut Datagrams::new(2, 9)).await }),
            send(),
        );
        assert_eq!(received.await.unwrap(), 1);
        let received = dropped(
            "recv_descriptors",
            s,
            |s| {
                Box::pin(async move {
                    s.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 9])], &mut Vec::new())
                        .await
                        .map(|came| came.bytes)
                })
            },
            send(),
        );
        assert_eq!(received.await.unwrap(), 2);
        let peeked = dropped("peek", s, |s| Box::pin(async move { s.peek(&mut [0; 9]).await }), send());
        assert_eq!(peeked.await.unwrap(), 2);
        assert_eq!(ours.recv(&mut [0; 9]).await.unwrap(), 2);
        let peeked = dropped("peek_from", s, |s| Box::pin(async move { s.peek_from(&mut [0; 9]).await }), send());
        assert_eq!(peeked.await.unwrap().0, 2);
        while ours.try_recv(&mut [0; 9]).unwrap().is_some() {}
        dropped("readable", s, |s| Box::pin(s.readable()), send()).await.unwrap();

        let fill = || while ours.try_send(b"x").unwrap().is_some() {};
        let drain = || |_| while theirs.try_recv(&mut [0; 9]).unwrap().is_some() {};
        fill();
        dropped("writable", s, |s| Box::pin(s.writable()), drain()).await.unwrap();
        fill();
        assert_eq!(dropped("send", s, |s| Box::pin(s.send(b"x")), drain()).await.unwrap(), 1);
        fill();
        let sent = dropped(
            "send_descriptors",
            s,
            |s| Box::pin(async move { s.send_descriptors(&[IoSlice::new(b"x")], &[s.as_fd()]).await }),
            drain(),
        );
        assert_eq!(sent.await.unwrap(), 1);
    });
}

/// Of these no event tells when there is room: they wait for a time.
#[test]
fn what_sends_unix_datagrams_to_an_address() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("receiver");
        let (ours, theirs) = (UnixDatagram::unbound().unwrap(), StdUnixDatagram::bind(&path).unwrap());
        theirs.set_nonblocking(true).unwrap();
        let address = theirs.local_addr().unwrap();
        let fill = || while ours.try_send_to(b"x", &path).unwrap().is_some() {};
        let drain = || |_| while theirs.recv(&mut [0; 9]).is_ok() {};
        let s = &mut &ours;
        fill();
        assert_eq!(dropped("send_to", s, |s| Box::pin(s.send_to(b"x", &path)), drain()).await.unwrap(), 1);
        fill();
        let sent = dropped("send_to_addr", s, |s| Box::pin(s.send_to_addr(b"x", &address)), drain());
        assert_eq!(sent.await.unwrap(), 1);
        fill();
        let mut batch = Datagrams::new(2, 9);
        batch.push_unix(b"x", &address).unwrap();
        let state = &mut (&ours, batch);
        let sent = dropped("send_datagrams", state, |s| Box::pin(s.0.send_datagrams(&mut s.1)), drain());
        assert_eq!(sent.await.unwrap(), 1);
    });
}
