//! Futures that are dropped at each point of their lives: before the first poll, while they wait, and when they were woken and
//! not polled again. No waker, wait or timer is left behind, and what had come for the dropped one is there for the next.
mod util;

use std::future::Future;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mainspring::channel::{mpsc, oneshot};
use mainspring::codec::{Framed, Lines};
use mainspring::net::{
    Datagrams, Source, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe, splice,
};
use mainspring::sync::{Notify, Semaphore};
use mainspring::task::{CancellationToken, JoinSet};
use mainspring::time::{interval, sleep, timeout};
use mainspring::{io, ready, spawn, unblock};
use util::folder::Folder;
use util::runtime::{CountingWaker, pair, poll_with, run, stats, until};

type Waiting<'s, T> = Pin<Box<dyn Future<Output = T> + 's>>;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Drops what `wait` makes of `state` at each point, calls `happen` with how often it was called before until that has come
/// for which the last one waits, and awaits another one.
async fn dropped<S, T>(
    name: &str,
    state: &mut S,
    wait: impl for<'s> Fn(&'s mut S) -> Waiting<'s, T>,
    happen: impl FnMut(usize),
) -> T {
    dropped_but(0, name, state, wait, happen).await
}

/// The same, of an object that holds `kept` waits of its own, in which what is dropped is a loan of it.
async fn dropped_but<S, T>(
    kept: usize,
    name: &str,
    state: &mut S,
    wait: impl for<'s> Fn(&'s mut S) -> Waiting<'s, T>,
    mut happen: impl FnMut(usize),
) -> T {
    let before = (stats().waits, stats().timers);
    let (counter, waker) = CountingWaker::new();
    let left = |point: &str| {
        let (waits, timers) = (stats().waits, stats().timers);
        assert!(
            waits <= before.0 + kept && timers <= before.1 + kept,
            "{name}, {point}: {waits} waits, {timers} timers"
        );
        assert!(Arc::strong_count(&counter) <= 2 + kept, "{name}, {point}: a waker was kept");
    };
    drop(wait(state));
    left("never polled");
    for _ in 0..3 {
        assert!(poll_with(wait(state).as_mut(), &waker).is_pending(), "{name} has nothing to wait for");
        left("while it waits");
    }
    let mut waiting = wait(state);
    assert!(poll_with(waiting.as_mut(), &waker).is_pending());
    let mut calls = 0;
    until(|| {
        happen(calls);
        calls += 1;
        counter.count() > 0
    })
    .await;
    drop(waiting);
    left("woken");
    timeout(LIMIT, wait(state)).await.unwrap_or_else(|_| panic!("{name}: what had come for the dropped one is lost"))
}

/// Calls `f` the first time.
fn once(f: impl FnOnce()) -> impl FnMut(usize) {
    let mut f = Some(f);
    move |_| f.take().map_or((), |f| f())
}

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

#[test]
fn what_waits_for_channels() {
    run(async {
        let (sender, mut receiver) = mpsc::bounded(1);
        let send = once(|| sender.try_send(1).unwrap());
        assert_eq!(dropped("recv", &mut receiver, |s| Box::pin(s.recv()), send).await, Some(1));
        sender.try_send(2).unwrap();
        let receive = once(|| assert_eq!(receiver.try_recv(), Ok(Some(2))));
        dropped("send", &mut &sender, |s| Box::pin(s.send(3)), receive).await.unwrap();
        assert_eq!(receiver.try_recv(), Ok(Some(3)));
        dropped("closed", &mut &sender, |s| Box::pin(s.closed()), once(|| drop(receiver))).await;

        let (sender, mut receiver) = oneshot::channel();
        let send = once(|| sender.send(1).unwrap());
        assert_eq!(dropped_but(1, "oneshot", &mut receiver, |s| Box::pin(s), send).await, Ok(1));
        let (mut sender, receiver) = oneshot::channel::<u8>();
        dropped("closed", &mut sender, |s| Box::pin(s.closed()), once(|| drop(receiver))).await;
    });
}

#[test]
fn what_waits_for_tasks_and_permits() {
    run(async {
        let (notify, permits, token) = (Notify::new(), Semaphore::new(0), CancellationToken::new());
        let add = once(|| permits.add_permits(2));
        let _permit = dropped("acquire", &mut &permits, |s| Box::pin(s.acquire(2)), add).await.unwrap();
        dropped("notified", &mut &notify, |s| Box::pin(s.notified()), once(|| notify.notify_one())).await;
        let cancel = once(|| token.cancel());
        dropped("cancelled", &mut &token, |s| Box::pin(s.cancelled()), cancel).await;
        let token = CancellationToken::new();
        assert_eq!(
            dropped(
                "until_cancelled",
                &mut &token,
                |s| Box::pin(s.until_cancelled(std::future::pending::<()>())),
                once(|| token.cancel())
            )
            .await,
            None
        );

        let ends = Notify::new();
        let (first, second) = (ends.notified(), ends.notified());
        let mut task = spawn(first);
        let mut set = JoinSet::new();
        set.spawn(second);
        mainspring::yield_now().await;
        dropped_but(1, "join", &mut task, |s| Box::pin(s), once(|| ends.notify_one())).await.unwrap();
        let end = once(|| ends.notify_one());
        dropped("join_next", &mut set, |s| Box::pin(s.join_next()), end).await.unwrap().unwrap();

        let remote = mainspring::Reactor::new().unwrap();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(remote);
        let other = std::thread::spawn(move || {
            let reactor = mainspring::Reactor::new().unwrap();
            sender.send(reactor.handle()).unwrap();
            gone.recv().unwrap();
            reactor.run().unwrap();
        });
        let mut task = receiver.recv().unwrap().spawn(|| async { 7 });
        let run = once(|| go.send(()).unwrap());
        assert_eq!(dropped_but(1, "remote", &mut task, |s| Box::pin(s), run).await.unwrap(), 7);
        other.join().unwrap();
    });
}

#[test]
fn what_waits_for_time_and_threads() {
    run(async {
        let long = Duration::from_secs(3600);
        let before = stats().timers;
        for _ in 0..3 {
            let (counter, waker) = CountingWaker::new();
            let mut waiting: [Waiting<'_, ()>; 3] = [
                Box::pin(sleep(long)),
                Box::pin(async move { _ = timeout(long, std::future::pending::<()>()).await }),
                Box::pin(async move { _ = unblock(|| ()).await }),
            ];
            for future in &mut waiting {
                // A job may have ended by now, and is not waited for.
                let _ = poll_with(future.as_mut(), &waker);
            }
            drop(waiting);
            drop(waker);
            until(|| Arc::strong_count(&counter) == 1).await;
            assert_eq!(stats().timers, before, "a timer is left behind");
        }
        // An interval keeps its timer, and the tick that the dropped one was woken for.
        let mut ticks = interval(Duration::from_millis(1));
        ticks.tick().await;
        let mut first = None;
        let (counter, waker) = CountingWaker::new();
        assert!(poll_with(std::pin::pin!(ticks.tick()), &waker).is_pending());
        until(|| counter.count() > 0).await;
        let _ = first.insert(ticks.try_tick().unwrap()).expect("the tick is there");
    });
}

#[test]
fn what_waits_for_lines_and_frames() {
    run(async {
        let (client, server) = pair().await;
        let send = || once(|| assert_eq!(server.try_write(b"ab\n").unwrap(), Some(3)));
        let mut lines = io::lines(std::io::BufReader::new(&client), 64);
        let line = dropped("next_line", &mut lines, |s| Box::pin(s.next_line()), send()).await;
        assert_eq!(line.unwrap().as_deref(), Some("ab"));
        let mut frames = Framed::new(client, Lines::new());
        let line = dropped_but(1, "next", &mut frames, |s| Box::pin(s.next()), send()).await;
        assert_eq!(line.unwrap().unwrap(), "ab");
    });
}
