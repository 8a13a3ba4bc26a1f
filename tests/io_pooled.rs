//! Reads that bring their own buffer: who holds one, and when.
mod util {
    pub(crate) mod checked;
    #[allow(dead_code)]
    pub(crate) mod connection;
    pub(crate) mod random;
}

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mainspring::io::{self, PooledBuffer};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use mainspring::{Reactor, Stats, spawn};

use util::checked::checked;
use util::connection::{connection, pattern};
use util::random::Random;

/// Starts a task for the server's end of a connection, which counts what it has read.
type Serve = fn(TcpStream, Rc<Cell<usize>>);

/// Connections that are idle at once.
const IDLE: usize = 200;

fn buffers() -> usize {
    Stats::current().unwrap().buffers
}

/// Lets the other tasks run until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        mainspring::yield_now().await;
    }
}

/// Idle connections, each with the server's end in a task made by `serve`; every one has been used once.
async fn idle(serve: impl Fn(TcpStream, Rc<Cell<usize>>)) -> Vec<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let answered = Rc::new(Cell::new(0));
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        serve(listener.accept().await.unwrap().0, answered.clone());
        client.write_all(b"ping").await.unwrap();
        clients.push(client);
    }
    until(|| answered.get() == IDLE && Stats::current().unwrap().waits == IDLE).await;
    clients
}

#[test]
fn idle_connections_hold_no_buffer_in_any_style() {
    let styles: [(&str, Serve); 4] = [
        ("method", |stream, answered| {
            spawn(async move {
                while !stream.read_pooled().await.unwrap().is_empty() {
                    answered.set(answered.get() + 1);
                }
            });
        }),
        ("any reader", |mut stream, answered| {
            spawn(async move {
                while !io::read_pooled(&mut stream).await.unwrap().is_empty() {
                    answered.set(answered.get() + 1);
                }
            });
        }),
        ("tick", |stream, answered| {
            schedule(move || match stream.try_read_pooled()? {
                Some(bytes) if bytes.is_empty() => Ok(Tick::Final),
                Some(_) => {
                    answered.set(answered.get() + 1);
                    Ok(Tick::WouldBlock)
                }
                None => Ok(Tick::WouldBlock),
            });
        }),
        ("tick, any reader", |mut stream, answered| {
            schedule(move || match io::try_read_pooled(&mut stream)? {
                Some(bytes) if bytes.is_empty() => Ok(Tick::Final),
                Some(_) => {
                    answered.set(answered.get() + 1);
                    Ok(Tick::WouldBlock)
                }
                None => Ok(Tick::WouldBlock),
            });
        }),
    ];
    for (name, serve) in styles {
        checked(async {
            let clients = idle(serve).await;
            assert_eq!(buffers(), 0, "{name}");
            drop(clients);
            until(|| Stats::current().unwrap().tasks == 0).await;
            assert_eq!(buffers(), 0, "{name}");
        });
    }
}

#[test]
fn a_buffer_is_held_until_it_is_dropped_and_then_used_again() {
    checked(async {
        let (client, server) = connection().await;
        client.write_all(b"first").await.unwrap();
        let first = server.read_pooled().await.unwrap();
        assert_eq!((buffers(), &*first), (1, &b"first"[..]));
        client.write_all(b"second").await.unwrap();
        let second = io::read_pooled(&mut &server).await.unwrap();
        assert_eq!((buffers(), &*second), (2, &b"second"[..]), "two at once are two buffers");
        assert_eq!(&*first, b"first");
        let memory = second.as_ptr();
        drop(second);
        assert_eq!(buffers(), 1);
        client.write_all(b"3").await.unwrap();
        let third = server.read_pooled().await.unwrap();
        assert_eq!((third.as_ptr(), &*third), (memory, &b"3"[..]), "the memory was used again");
        drop((first, third));
        drop(client);
        let end = server.read_pooled().await.unwrap();
        assert_eq!((end.len(), buffers()), (0, 0), "an end-of-file holds no memory");
    });
}

#[test]
fn a_wait_costs_one_vain_try_and_a_dropped_one_nothing() {
    /// Counts its reads.
    struct Counted(TcpStream, Rc<Cell<usize>>);
    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1.set(self.1.get() + 1);
            Read::read(&mut self.0, buffer)
        }
    }
    checked(async {
        let (client, server) = connection().await;
        let reads = Rc::new(Cell::new(0));
        let mut server = Counted(server, reads.clone());
        for _ in 0..10 {
            let mut read = Box::pin(io::read_pooled(&mut server));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(read.as_mut().poll(&mut cx).is_pending());
            assert_eq!(buffers(), 0, "none is held while it waits");
            drop(read);
            assert_eq!(Stats::current().unwrap().waits, 0);
        }
        reads.set(0);
        let reader = spawn(async move {
            let bytes = io::read_pooled(&mut server).await.unwrap();
            bytes.to_vec()
        });
        until(|| reads.get() == 1).await;
        client.write_all(b"nothing was lost").await.unwrap();
        assert_eq!(reader.await.unwrap(), b"nothing was lost");
        assert_eq!(reads.get(), 2);
    });
}

#[test]
fn an_error_gives_the_buffer_back() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    checked(async {
        assert_eq!(io::read_pooled(&mut Broken).await.unwrap_err().to_string(), "broken");
        assert_eq!(buffers(), 0);
    });
    let outside = io::try_read_pooled(&mut &b"x"[..]).unwrap_err();
    assert!(outside.to_string().contains("no") && outside.kind() != ErrorKind::WouldBlock, "{outside}");
}

#[test]
fn settings_say_how_large_buffers_are_and_how_many_are_kept() {
    for (kept, size) in [(0, 1), (2, 8), (1, 0), (1, usize::MAX)] {
        let reactor = Reactor::builder().buffers(kept, size).build().unwrap();
        reactor
            .block_on(async {
                let bytes = pattern(100);
                let mut rest = &bytes[..];
                let mut taken: Vec<PooledBuffer> = Vec::new();
                while !rest.is_empty() {
                    taken.push(io::read_pooled(&mut rest).await.unwrap());
                    assert!(taken.last().unwrap().len() <= size.max(1));
                }
                assert_eq!(buffers(), taken.len(), "more than are kept can be in use");
                assert_eq!(taken.iter().flat_map(|part| part.to_vec()).collect::<Vec<u8>>(), bytes);
            })
            .unwrap();
        assert_eq!(reactor.stats().buffers, 0);
    }
}

#[test]
fn a_buffer_may_outlive_its_reactor() {
    let buffer = mainspring::run(async { io::read_pooled(&mut &b"kept"[..]).await.unwrap() }).unwrap();
    assert_eq!(&*buffer, b"kept");
    drop(buffer);
}

#[test]
fn bytes_in_random_parts_come_whole_and_in_order() {
    let seed = 0x10_0f_ed;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let reactor = Reactor::builder().buffers(1, 64).build().unwrap();
    reactor
        .block_on(async {
            let (client, server) = connection().await;
            let sent = pattern(20_000);
            let mut received = Vec::new();
            let mut held: Vec<PooledBuffer> = Vec::new();
            let mut rest = &sent[..];
            while received.len() < sent.len() {
                if !rest.is_empty() && random.below(2) == 0 {
                    let (now, later) = rest.split_at(rest.len().min(1 + random.below(200)));
                    client.write_all(now).await.unwrap();
                    rest = later;
                }
                let mut read = Box::pin(server.read_pooled());
                match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(bytes) => {
                        let bytes = bytes.unwrap();
                        received.extend_from_slice(&bytes);
                        held.push(bytes);
                    }
                    Poll::Pending => mainspring::yield_now().await,
                }
                held.truncate(random.below(4));
                assert_eq!(buffers(), held.len());
            }
            assert!(received == sent);
        })
        .unwrap();
}

#[test]
fn a_reader_that_claims_more_than_there_is_room_for_is_not_believed() {
    /// Claims what it likes, and then ends.
    struct Boaster(Option<usize>);
    impl Read for Boaster {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Ok(self.0.take().unwrap_or(0))
        }
    }
    checked(async {
        for claim in [1 << 20, usize::MAX] {
            let mut bytes = Vec::new();
            let count = io::read_to_end(&mut Boaster(Some(claim)), &mut bytes, usize::MAX).await.unwrap();
            assert_eq!(count, bytes.len());
            assert!(io::read_pooled(&mut Boaster(Some(claim))).await.unwrap().len() >= count);
            let error = io::read_to_end(&mut Boaster(Some(claim)), &mut bytes, 8).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    });
}
