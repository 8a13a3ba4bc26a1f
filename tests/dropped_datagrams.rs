//! Futures of datagram sockets, dropped at each point of their lives (`util/dropped.rs`).
mod util;

use mainspring::net::{Datagrams, UdpSocket, UnixDatagram};
use util::dropped::{dropped, once};
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

        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let send = || once(|| assert_eq!(theirs.try_send(b"ab").unwrap(), Some(2)));
        let s = &mut &ours;
        assert_eq!(
            dropped("recv", s, |s| Box::pin(async move { s.recv(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        while ours.try_send(b"x").unwrap().is_some() {}
        let drain = |_| while theirs.try_recv(&mut [0; 9]).unwrap().is_some() {};
        assert_eq!(dropped("send", s, |s| Box::pin(s.send(b"x")), drain).await.unwrap(), 1);
    });
}
