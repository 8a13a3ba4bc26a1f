//! Futures of streams, pipes and sources, dropped at each point of their lives (`util/dropped.rs`).
mod util;

use std::io::{IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use mainspring::io::Attempt;
use mainspring::net::{Source, TcpListener, TcpStream, UnixListener, UnixStream, pipe, splice, splice_bidirectional};
use mainspring::{io, ready};
use util::dropped::{dropped, dropped_for_good, once};
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
                |s| Box::pin(async move { s.read_vectored(&mut [IoSliceMut::new(&mut [0; 9])]).await }),
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
        dropped(
            "read_line",
            s,
            |s| Box::pin(async move { io::read_line(&mut std::io::BufReader::new(s), &mut String::new(), 9).await }),
            once(|| assert_eq!(server.try_write(b"a\n").unwrap(), Some(2))),
        )
        .await
        .unwrap();
        let count = dropped("ready", s, |s| Box::pin(ready(|| std::io::Read::read(s, &mut [0; 9]))), send()).await;
        assert_eq!(count.unwrap(), 2);
        let begin = || Ok::<_, std::io::Error>(Attempt::<(), ()>::NotYet(()));
        dropped_for_good("resume", io::resume(|| client.try_read(&mut [0; 9]).and_then(|_| begin()), |()| begin()));
        let end = once(|| server.shutdown(Shutdown::Write).unwrap());
        let rest =
            dropped("read_to_end", s, |s| Box::pin(async move { io::read_to_end(s, &mut Vec::new(), 9).await }), end);
        assert_eq!(rest.await.unwrap(), 0);
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
                |s| Box::pin(async move { s.write_vectored(&[IoSlice::new(b"x")]).await }),
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
        fill(&client);
        let mut buffered = std::io::BufWriter::new(*s);
        std::io::Write::write_all(&mut buffered, b"x").unwrap();
        dropped("io::flush", &mut buffered, |s| Box::pin(io::flush(s)), drain()).await.unwrap();
        fill(&client);
        std::io::Write::write_all(&mut buffered, b"x").unwrap();
        dropped("io::shutdown", &mut buffered, |s| Box::pin(io::shutdown(s)), drain()).await.unwrap();
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
        let end = once(|| client.shutdown(Shutdown::Write).unwrap());
        let ends = &mut (&from, &to);
        assert_eq!(dropped("splice", ends, |s| Box::pin(splice(s.0, s.1)), end).await.unwrap(), 0);
        let ((client, from), (to, server)) = (pair().await, (to, server));
        let end = once(|| client.shutdown(Shutdown::Write).unwrap());
        let ends = &mut (&from, &to);
        let copied = dropped("copy", ends, |s| Box::pin(io::copy(&mut s.0, &mut s.1)), end).await;
        assert_eq!(copied.unwrap(), 0);
        let (mut one, mut other) = (client, server);
        dropped_for_good("splice_bidirectional", splice_bidirectional(&one, &other));
        dropped_for_good("copy_bidirectional", io::copy_bidirectional(&mut one, &mut other));
    });
}

#[test]
fn what_waits_for_unix_streams() {
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
        assert_eq!(
            dropped(
                "read_vectored",
                s,
                |s| Box::pin(async move { s.read_vectored(&mut [IoSliceMut::new(&mut [0; 9])]).await }),
                send()
            )
            .await
            .unwrap(),
            3
        );
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
        assert_eq!(received.await.unwrap(), 3);
        let fill = || while ours.try_write(&[7; 4096]).unwrap().is_some() {};
        let drain = || |_| while theirs.try_read(&mut [0; 4096]).unwrap().is_some() {};
        fill();
        dropped("writable", s, |s| Box::pin(s.writable()), drain()).await.unwrap();
        fill();
        assert_eq!(dropped("write", s, |s| Box::pin(s.write(b"x")), drain()).await.unwrap(), 1);
        fill();
        dropped("write_all", s, |s| Box::pin(s.write_all(b"x")), drain()).await.unwrap();
        fill();
        let written = dropped(
            "write_vectored",
            s,
            |s| Box::pin(async move { s.write_vectored(&[IoSlice::new(b"x")]).await }),
            drain(),
        );
        assert_eq!(written.await.unwrap(), 1);
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

#[test]
fn what_waits_for_pipes_and_sources() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        let send = || once(|| assert_eq!(writer.try_write(b"ab").unwrap(), Some(2)));
        let r = &mut &reader;
        assert_eq!(reader.try_read(&mut [0; 9]).unwrap(), None);
        dropped("readable", r, |s| Box::pin(s.readable()), send()).await.unwrap();
        assert_eq!(reader.try_read(&mut [0; 9]).unwrap(), Some(2));
        assert_eq!(
            dropped("read", r, |s| Box::pin(async move { s.read(&mut [0; 9]).await }), send()).await.unwrap(),
            2
        );
        assert_eq!(
            dropped(
                "read_vectored",
                r,
                |s| Box::pin(async move { s.read_vectored(&mut [IoSliceMut::new(&mut [0; 9])]).await }),
                send()
            )
            .await
            .unwrap(),
            2
        );
        let w = &mut &writer;
        let fill = || while writer.try_write(&[7; 4096]).unwrap().is_some() {};
        let drain = || |_| while reader.try_read(&mut [0; 4096]).unwrap().is_some() {};
        fill();
        dropped("writable", w, |s| Box::pin(s.writable()), drain()).await.unwrap();
        fill();
        assert_eq!(dropped("write", w, |s| Box::pin(s.write(b"x")), drain()).await.unwrap(), 1);
        fill();
        dropped("write_all", w, |s| Box::pin(s.write_all(b"x")), drain()).await.unwrap();
        fill();
        let written = dropped(
            "write_vectored",
            w,
            |s| Box::pin(async move { s.write_vectored(&[IoSlice::new(b"x")]).await }),
            drain(),
        );
        assert_eq!(written.await.unwrap(), 1);

        let (from, end) = pipe().unwrap();
        let ends = &mut (&from, &writer);
        let moved = dropped("splice", ends, |s| Box::pin(splice(s.0, s.1)), once(|| drop(end)));
        assert_eq!(moved.await.unwrap(), 0);

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
        let fill = || {
            while source.try_write_with(|mut stream| std::io::Write::write(&mut stream, &[7; 4096])).unwrap().is_some()
            {
            }
        };
        // It does not wait: until there is something, `happen` is called again.
        theirs.set_nonblocking(true).unwrap();
        let drain = || |_| while std::io::Read::read(&mut &theirs, &mut [0; 4096]).is_ok() {};
        fill();
        dropped("writable", &mut &source, |s| Box::pin(s.writable()), drain()).await.unwrap();
        fill();
        let written = &mut &source;
        let written = dropped(
            "write_with",
            written,
            |s| Box::pin(s.write_with(|mut stream| std::io::Write::write(&mut stream, b"x"))),
            drain(),
        );
        assert_eq!(written.await.unwrap(), 1);
    });
}
