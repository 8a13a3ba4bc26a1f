//! Futures of making connections and of what runs over them, dropped at each point of their lives (`util/dropped.rs`).
#![cfg(feature = "service")]
mod util;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use mainspring::codec::{Framed, Lines};
use mainspring::net::{TcpListener, TcpStream, ToAddresses, UnixListener, UnixStream};
use mainspring::proto::pipeline;
use mainspring::server::Draining;
use mainspring::service::service_fn;
use mainspring::{Reactor, Server, io, spawn, unblock, yield_now};
use mainspring_sys::Socket;
use util::dropped::{dropped, dropped_but, dropped_for_good, once};
use util::folder::Folder;
use util::runtime::{CountingWaker, pair, poll_once, poll_with, run, stats, turns, until, with_manual_clock};

/// A listener that answers nobody any more: its queue is full, so the system drops what comes.
struct Silent {
    listener: Socket,
    _queued: Vec<Socket>,
}

impl Silent {
    fn new() -> Self {
        let listener = Socket::listen((Ipv4Addr::LOCALHOST, 0).into(), 0, false).unwrap();
        let address = listener.local_addr().unwrap();
        // More than the queue holds: those after it stay as they are.
        let queued = (0..4).map(|_| {
            let socket = Socket::tcp(&address).unwrap();
            socket.connect(&address).unwrap();
            socket
        });
        Self { _queued: queued.collect(), listener }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

#[test]
fn what_connects() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = &mut listener.local_addr().unwrap();
        // It has to be heard of, so the first poll never has it.
        let stream = dropped("connect", address, |s| Box::pin(TcpStream::connect(*s)), |_| ()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), *address);
        let mut connecting = TcpStream::start_connect(*address).unwrap();
        let stream = dropped_but(1, "start_connect", &mut connecting, |s| Box::pin(s), |_| ()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), *address);

        let folder = Folder::new();
        let listener = UnixListener::options().backlog(0).bind(folder.join("socket")).unwrap();
        let address = &mut listener.local_addr().unwrap();
        let queued = UnixStream::connect_addr(address).await.unwrap();
        // Accepted at the first call, since it is queued. They look again after a time.
        let accept = once(|| drop(listener.try_accept().unwrap().unwrap()));
        let stream = dropped("connect_addr", address, |s| Box::pin(UnixStream::connect_addr(s)), accept).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), address.as_pathname());
        drop(queued);
    });
}

#[test]
fn what_connects_to_one_of_several_addresses() {
    with_manual_clock(|clock| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = listener.local_addr().unwrap();
        let (one, other) = (Silent::new(), Silent::new());
        let connect = |s: &[SocketAddr; 3]| TcpStream::connect(s.to_vec());
        let addresses = &mut [one.address(), other.address(), answers];

        // With one attempt, two of them, and three of which one has made a connection that nobody takes.
        let before = stats();
        let (counter, waker) = CountingWaker::new();
        for attempts in 1..=3 {
            let mut connecting = Box::pin(connect(addresses));
            for _ in 1..attempts {
                assert!(poll_with(connecting.as_mut(), &waker).is_pending());
                clock.advance(Duration::from_millis(251)).unwrap();
                turns(2).await;
            }
            assert!(poll_with(connecting.as_mut(), &waker).is_pending());
            turns(2).await;
            assert_eq!(stats().sources, before.sources + attempts);
            drop(connecting);
            let now = stats();
            assert_eq!((now.sources, now.waits, now.timers), (before.sources, before.waits, before.timers));
        }
        assert!(counter.count() > 0);

        let passing = spawn(async move {
            loop {
                clock.advance(Duration::from_millis(1)).unwrap();
                yield_now().await;
            }
        });
        let stream = dropped("connect", addresses, |s| Box::pin(connect(s)), |_| ()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), answers);
        passing.abort();
    });
}

#[test]
fn what_looks_a_name_up() {
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    let test = async {
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        // The one thread is busy: a lookup waits until `happen`.
        let busy = unblock(move || blocked.recv().is_err());
        let resolve = |_: &mut ()| ("localhost", 80).to_addresses().unwrap().resolve();
        let found = dropped("resolve", &mut (), |s| Box::pin(resolve(s)), once(|| drop(release))).await.unwrap();
        assert!(found.iter().all(|address| address.port() == 80));
        assert!(busy.await.unwrap());
    };
    reactor.block_on(test).unwrap();
}

#[test]
fn what_waits_for_lines_and_frames() {
    run(async {
        let (client, server) = pair().await;
        let send = || once(|| assert_eq!(server.try_write(b"ab\n").unwrap(), Some(3)));
        let mut lines = io::lines(std::io::BufReader::new(&client), 64);
        let line = dropped("next_line", &mut lines, |s| Box::pin(s.next_line()), send()).await;
        assert_eq!(line.unwrap().as_deref(), Some("ab"));

        // A transport waits once in each direction, for whoever uses it.
        let mut frames = Framed::new(client, Lines::new());
        let line = dropped_but(1, "next", &mut frames, |s| Box::pin(s.next()), send()).await;
        assert_eq!(line.unwrap().unwrap(), "ab");
        let fill = |frames: &mut Framed<TcpStream, Lines>| {
            let line = "x".repeat(1000);
            while frames.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready() {
                frames.start_send(&*line).unwrap();
            }
        };
        let drain = || |_| while server.try_read(&mut [0; 65_536]).unwrap().is_some() {};
        fill(&mut frames);
        dropped_but(1, "ready", &mut frames, |s| Box::pin(s.ready()), drain()).await.unwrap();
        fill(&mut frames);
        dropped_but(1, "flush", &mut frames, |s| Box::pin(s.flush()), drain()).await.unwrap();
        fill(&mut frames);
        dropped_but(1, "send", &mut frames, |s| Box::pin(s.send("last")), drain()).await.unwrap();
        fill(&mut frames);
        dropped_but(1, "shutdown", &mut frames, |s| Box::pin(s.shutdown()), drain()).await.unwrap();
    });
}

#[test]
fn what_a_pipeline_answers() {
    run(async {
        let (ours, theirs) = pair().await;
        let theirs = Rc::new(theirs);
        let (mut client, connection) = pipeline::connect(Framed::new(ours, Lines::new()));
        let connection = spawn(connection);
        turns(2).await;
        // Says what it hears, so an answer that went astray would be seen.
        let echo = |_| {
            let mut buffer = [0; 64];
            while let Some(count) = theirs.try_read(&mut buffer).unwrap() {
                assert_eq!(theirs.try_write(&buffer[..count]).unwrap(), Some(count));
            }
        };
        let calls = Cell::new(0);
        let call = |client: &mut pipeline::Client<String, String>| {
            calls.set(calls.get() + 1);
            client.call(calls.get().to_string())
        };
        // One that is written keeps its place when it is dropped, and its answer goes to nobody.
        assert!(poll_once(call(&mut client)).is_pending());
        let mut written = Box::pin(call(&mut client));
        assert!(poll_once(&mut written).is_pending());
        until(|| client.in_flight() == 1).await;
        drop(written);
        // The connection waits too, and has a timer while answers are due.
        let answer = dropped_but(1, "call", &mut client, |s| Box::pin(call(s)), echo);
        // The last one is answered by whoever comes after `happen`.
        let answering = spawn({
            let theirs = theirs.clone();
            async move { io::copy(&mut &*theirs, &mut &*theirs).await }
        });
        assert_eq!(answer.await.unwrap(), calls.get().to_string());
        answering.abort();
        drop(client);
        connection.await.unwrap().unwrap();

        let (_client, server) = pair().await;
        let service = service_fn(async |line: String| std::io::Result::Ok(line));
        dropped_for_good("serve", pipeline::serve(Framed::new(server, Lines::new()), &service));
    });
}

#[test]
fn what_a_server_tells_its_connections() {
    run(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let told = Rc::new(RefCell::new(None));
        let tell = told.clone();
        let serving = server
            .serve(move |connection| {
                tell.replace(Some(connection.draining.clone()));
                async move {
                    connection.draining.await;
                    yield_now().await;
                    connection.stream.write_all(b"bye").await
                }
            })
            .unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        until(|| told.borrow().is_some()).await;
        let mut draining: Draining = told.take().unwrap();
        // A drain that is dropped, too: the listener is closed and the connections told, none is aborted.
        let drain = once(|| assert!(poll_once(serving.drain(Duration::MAX)).is_pending()));
        dropped("draining", &mut draining, |s| Box::pin(s.clone()), drain).await;
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 3);
        until(|| stats().tasks == 0).await;
        assert!(TcpStream::connect(address).await.is_err());
    });
}
