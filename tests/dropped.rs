//! Futures of streams, pipes and sources, dropped at each point of their lives (`util/dropped.rs`).
mod util;

use std::os::unix::net::UnixStream as StdUnixStream;

use mainspring::net::{Source, TcpListener, TcpStream, UnixListener, UnixStream, pipe, splice};
use mainspring::{io, ready};
use util::dropped::{dropped, once};
use util::folder::Folder;
use util::runtime::{pair, run};

/// Writes until there is no room.
fn fill(stream: &TcpStream) {
    while stream.try_write(&[7; 65_536]).unwrap().is_some() {}
}

/// Reads what there is.
fn empty(stream: &TcpStream) {
    while stream.try_read(&mut [0; 65_536]).unwrap().is_some() {}
}

#[test]
fn what_reads_a_tcp_stream() {
    run(async {
        let (client, server) = pair().await;
        let send = || once(|| assert_eq!(server.try_write(b"ab").unwrap(), Some(2)));
        let s = &mut &client;
        assert_eq!(
            dropped("peek", s, |s| Box::pin(async move { s.peek(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        empty(&client);
        dropped("readable", s, |s| Box::pin(s.readable()), send()).await.unwrap();
        empty(&client);
        assert_eq!(
            dropped("read", s, |s| Box::pin(async move { s.read(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        assert_eq!(
            dropped(
                "read_vectored",
                s,
                |s| Box::pin(async move { s.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0; 9])]).await }),
                send()
            )
            .await
            .unwrap(),
            2
        );
        assert_eq!(&*dropped("read_pooled", s, |s| Box::pin(s.read_pooled()), send()).await.unwrap(), b"ab");
        assert_eq!(&*dropped("io::read_pooled", s, |s| Box::pin(io::read_pooled(s)), send()).await.unwrap(), b"ab");
        let count = dropped("io::read", s, |s| Box::pin(async move { io::read(s, &mut [0; 9]).await }), send()).await;
        assert_eq!(count.unwrap(), 2);
        // These take what there is, and are dropped before there is anything.
        dropped("read_exact", s, |s| Box::pin(async move { io::read_exact(s, &mut [0; 2]).await }), send())
            .await
            .unwrap();
        let count = dropped("ready", s, |s| Box::pin(ready(|| std::io::Read::read(s, &mut [0; 9]))), send()).await;
        assert_eq!(count.unwrap(), 2);
    });
}

#[test]
fn what_writes_a_tcp_stream() {
    run(async {
        let (client, server) = pair().await;
        let drain = || |_| empty(&server);
        let s = &mut &client;
        fill(&client);
        dropped("writable", s, |s| Box::pin(s.writable()), drain()).await.unwrap();
        fill(&client);
        assert_eq!(dropped("write", s, |s| Box::pin(s.write(b"x")), drain()).await.unwrap(), 1);
        fill(&client);
        assert_eq!(
            dropped(
                "write_vectored",
                s,
                |s| Box::pin(async move { s.write_vectored(&[std::io::IoSlice::new(b"x")]).await }),
                drain()
            )
            .await
            .unwrap(),
            1
        );
        fill(&client);
        dropped("write_all", s, |s| Box::pin(s.write_all(b"x")), drain()).await.unwrap();
        fill(&client);
        dropped("io::write_all", s, |s| Box::pin(io::write_all(s, b"x")), drain()).await.unwrap();
        fill(&client);
        assert_eq!(dropped("io::write", s, |s| Box::pin(io::write(s, b"x")), drain()).await.unwrap(), 1);
    });
}

#[test]
fn what_accepts_and_what_relays() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let knock = once(|| drop(std::net::TcpStream::connect(address).unwrap()));
        dropped("accept", &mut &listener, |s| Box::pin(s.accept()), knock).await.unwrap();
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.join("socket")).unwrap();
        let knock = once(|| drop(StdUnixStream::connect(folder.join("socket")).unwrap()));
        dropped("accept", &mut &listener, |s| Box::pin(s.accept()), knock).await.unwrap();

        // Dropped while nothing is on the way between the two.
        let ((client, from), (to, server)) = (pair().await, pair().await);
        let end = once(|| client.shutdown(std::net::Shutdown::Write).unwrap());
        let ends = &mut (&from, &to);
        assert_eq!(dropped("splice", ends, |s| Box::pin(splice(s.0, s.1)), end).await.unwrap(), 0);
        let ((client, from), (to, _server)) = (pair().await, (to, server));
        let end = once(|| client.shutdown(std::net::Shutdown::Write).unwrap());
        let ends = &mut (&from, &to);
        let copied = dropped("copy", ends, |s| Box::pin(io::copy(&mut s.0, &mut s.1)), end).await;
        assert_eq!(copied.unwrap(), 0);
    });
}

#[test]
fn what_waits_for_unix_streams_and_pipes() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let send = || once(|| assert_eq!(theirs.try_write(b"ab\n").unwrap(), Some(3)));
        let s = &mut &ours;
        assert_eq!(
            dropped("peek", s, |s| Box::pin(async move { s.peek(&mut [0; 9]).await }), send()).await.unwrap(),
            3
        );
        while ours.try_read(&mut [0; 9]).unwrap().is_some() {}
        dropped("readable", s, |s| Box::pin(s.readable()), send()).await.unwrap();
        while ours.try_read(&mut [0; 9]).unwrap().is_some() {}
        assert_eq!(
            dropped("read", s, |s| Box::pin(async move { s.read(&mut [0; 9]).await }), send()).await.unwrap(),
            3
        );
        assert_eq!(*dropped("read_pooled", s, |s| Box::pin(s.read_pooled()), send()).await.unwrap(), *b"ab\n");
        assert!(ours.try_read_pooled().unwrap().is_none());
        while ours.try_write(&[7; 4096]).unwrap().is_some() {}
        let drain = |_| while theirs.try_read(&mut [0; 4096]).unwrap().is_some() {};
        assert_eq!(dropped("write", s, |s| Box::pin(s.write(b"x")), drain).await.unwrap(), 1);

        let (mut reader, writer) = pipe().unwrap();
        let send = || once(|| assert_eq!(writer.try_write(b"ab").unwrap(), Some(2)));
        let r = &mut reader;
        assert_eq!(
            dropped("pipe", r, |s| Box::pin(async move { s.read(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        while writer.try_write(&[7; 4096]).unwrap().is_some() {}
        let drain = |_| while reader.try_read(&mut [0; 4096]).unwrap().is_some() {};
        assert_eq!(dropped("pipe", &mut &writer, |s| Box::pin(s.write(b"x")), drain).await.unwrap(), 1);

        let (ours, theirs) = StdUnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let source = Source::new(ours).unwrap();
        let send = || once(|| std::io::Write::write_all(&mut &theirs, b"ab").unwrap());
        assert_eq!(
            dropped(
                "read_with",
                &mut &source,
                |s| Box::pin(s.read_with(|mut stream| std::io::Read::read(&mut stream, &mut [0; 9]))),
                send()
            )
            .await
            .unwrap(),
            2
        );
        assert!(source.try_read_with(|mut stream| std::io::Read::read(&mut stream, &mut [0; 9])).unwrap().is_none());
        dropped("readable", &mut &source, |s| Box::pin(s.readable()), send()).await.unwrap();
    });
}
