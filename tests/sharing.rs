//! How the connections of a server come to its threads, and that none is lost on the way.
#![cfg(feature = "service")]
mod util;

use mainspring::server::{Connection, Drained, Sharing};
use mainspring::{OnPanic, Server, Workers, channel::oneshot};
use std::collections::BTreeMap;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use util::runtime::{EXPECTED, Limit, quiet};

const ALL: [Sharing; 3] = [Sharing::ReusePort, Sharing::HandOff, Sharing::Exclusive];

/// Those that balance or not, but work on every system.
const EVERYWHERE: [Sharing; 2] = [Sharing::HandOff, Sharing::Exclusive];

/// Longer than anything takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers each read until the peer is done.
async fn echo(connection: Connection) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        match connection.stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => connection.stream.write_all(&buffer[..count]).await?,
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn round_trip(stream: &mut TcpStream) {
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

/// Runs `client` on a thread of its own while the server runs, and returns what both say.
fn while_it_runs<T: Send + 'static, M, H, F>(
    server: Server,
    make: M,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (io::Result<Drained>, T)
where
    M: Fn() -> H + Send + Clone + 'static,
    H: Fn(Connection) -> F + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let client = thread::spawn(move || {
        let _stop = stop;
        client(address)
    });
    let drained = server.run(make, stopped);
    (drained, client.join().unwrap())
}

#[test]
fn a_hundred_connections_are_shared_out_by_hand_off_so_that_no_thread_has_sixty() {
    const CONNECTIONS: usize = 100;
    let _limit = Limit::new();
    for sharing in ALL {
        let server = Server::builder().threads(2).sharing(sharing).bind("127.0.0.1:0").unwrap();
        let shares = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        let counted = shares.clone();
        let make = move || {
            let (counted, thread) = (counted.clone(), format!("{:?}", thread::current().id()));
            move |connection| {
                *counted.lock().unwrap().entry(thread.clone()).or_default() += 1;
                echo(connection)
            }
        };
        let (drained, ()) = while_it_runs(server, make, |address| {
            let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(address)).collect();
            for _ in 0..3 {
                clients.iter_mut().for_each(round_trip);
            }
        });
        let drained = drained.unwrap();
        assert_eq!((drained.served, drained.failed, drained.aborted), (CONNECTIONS as u64, 0, 0), "{sharing:?}");
        let shares: Vec<_> = shares.lock().unwrap().values().copied().collect();
        let largest = shares.iter().max().unwrap() * 100 / CONNECTIONS;
        println!(
            "{sharing:?}: of {CONNECTIONS} connections on 2 threads, {shares:?}; the largest share is {largest} %"
        );
        assert_eq!(shares.iter().sum::<usize>(), CONNECTIONS);
        if sharing == Sharing::HandOff {
            assert!(largest < 60, "{shares:?}");
        }
    }
}

#[test]
fn the_limit_holds_for_all_threads_together_and_nobody_waits_for_ever() {
    const LIMIT: usize = 3;
    let _limit = Limit::new();
    for sharing in ALL {
        let server = Server::builder().threads(3).sharing(sharing).connections(LIMIT).bind("127.0.0.1:0").unwrap();
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let peak = most.clone();
        let make = move || {
            let (open, peak) = (open.clone(), peak.clone());
            move |connection| {
                peak.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                let open = open.clone();
                async move {
                    let result = echo(connection).await;
                    open.fetch_sub(1, SeqCst);
                    result
                }
            }
        };
        let (drained, ()) = while_it_runs(server, make, |address| {
            let client = |_| {
                thread::spawn(move || {
                    for _ in 0..50 {
                        let mut stream = connect(address);
                        (0..3).for_each(|_| round_trip(&mut stream));
                    }
                })
            };
            let clients: Vec<_> = (0..8).map(client).collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
        });
        assert_eq!(drained.unwrap().served, 400, "{sharing:?}");
        assert_eq!(most.load(SeqCst), LIMIT, "{sharing:?}");
    }
}

#[test]
fn a_drain_serves_each_connection_that_is_queued_or_under_way_exactly_once() {
    const CONNECTIONS: usize = 300;
    let _limit = Limit::new();
    for sharing in ALL {
        let server = Server::builder().threads(3).sharing(sharing).connections(50).bind("127.0.0.1:0").unwrap();
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(server.local_addr())).collect();
        clients.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
        let make = || {
            |connection: Connection| async move {
                let mut byte = [0];
                assert_eq!(connection.stream.read(&mut byte).await?, 1);
                connection.stream.write_all(&byte).await
            }
        };
        let drained = server.run(make, async {}).unwrap();
        let expected = (CONNECTIONS as u64, 0, 0);
        assert_eq!((drained.served, drained.failed, drained.aborted), expected, "{sharing:?}");
        for mut client in clients {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"x");
        }
    }
}

#[test]
fn what_was_handed_to_a_thread_that_ends_is_served_by_the_one_that_accepts() {
    let _limit = Limit::new();
    quiet();
    let threads = Workers::builder().threads(2).reactor(|_, builder| builder.on_panic(|_| OnPanic::Stop));
    let server = Server::builder().workers(threads).sharing(Sharing::HandOff).bind("127.0.0.1:0").unwrap();
    let first = thread::current().id();
    let (go, blocked) = mpsc::channel::<()>();
    let (entering, entered) = mpsc::channel();
    let blocked = Arc::new(Mutex::new((entering, blocked)));
    let make = move || {
        let blocked = blocked.clone();
        move |connection| {
            let blocked = blocked.clone();
            async move {
                if thread::current().id() != first {
                    // Holds its reactor up, so that what is handed to it afterwards stays where it is.
                    let blocked = blocked.lock().unwrap();
                    blocked.0.send(()).unwrap();
                    blocked.1.recv().unwrap();
                    panic!("{EXPECTED}: the second thread ends");
                }
                echo(connection).await
            }
        }
    };
    let (result, answered) = while_it_runs(server, make, move |address| {
        // They go by turns to the first and to the second thread.
        let mut clients: Vec<_> = (0..2).map(|_| connect(address)).collect();
        entered.recv().unwrap();
        clients.extend((0..5).map(|_| connect(address)));
        // They are accepted in order, so with the last of these all others have been.
        for index in [0, 2, 4, 6] {
            round_trip(&mut clients[index]);
        }
        go.send(()).unwrap();
        for index in [3, 5] {
            round_trip(&mut clients[index]);
        }
        clients[1].read(&mut [0]).unwrap_or(0)
    });
    assert_eq!(answered, 0, "the one whose thread has panicked");
    let error = result.unwrap_err().to_string();
    assert_eq!(error, format!("worker 1 failed: a task panicked: {EXPECTED}: the second thread ends"));
}

#[test]
fn a_thread_that_a_handler_blocks_does_not_hold_up_the_drain_of_the_others() {
    /// Says that the future in which it is was dropped.
    struct Tell(mpsc::Sender<()>);
    impl Drop for Tell {
        fn drop(&mut self) {
            // Why ignored: the test may have failed.
            let _ = self.0.send(());
        }
    }
    let _limit = Limit::new();
    let server = Server::builder().threads(2).sharing(Sharing::HandOff).drain(Duration::from_secs(1));
    let server = server.bind("127.0.0.1:0").unwrap();
    let (first, (sender, aborts)) = (thread::current().id(), mpsc::channel());
    let (aborts, heard) = (Arc::new(Mutex::new(aborts)), Arc::new(AtomicUsize::new(0)));
    let hears = heard.clone();
    let make = move || {
        let (sender, aborts, heard) = (sender.clone(), aborts.clone(), hears.clone());
        move |connection: Connection| {
            let (sender, aborts, heard) = (sender.clone(), aborts.clone(), heard.clone());
            async move {
                connection.stream.write_all(b"x").await?;
                if thread::current().id() != first {
                    let _tell = Tell(sender);
                    return pending().await;
                }
                connection.draining.await;
                // The accept loop ends after this, and the other thread waits for what it may hand off.
                let is_aborted = aborts.lock().unwrap().recv_timeout(PATIENCE / 4).is_ok();
                heard.store(is_aborted.into(), SeqCst);
                Ok(())
            }
        }
    };
    let (drained, _clients) = while_it_runs(server, make, |address| {
        // They go by turns to the first and to the second thread.
        [(); 2].map(|()| {
            let mut client = connect(address);
            client.read_exact(&mut [0]).unwrap();
            client
        })
    });
    let drained = drained.unwrap();
    assert_eq!((drained.aborted, drained.finished, heard.load(SeqCst)), (1, 1, 1));
}

#[test]
fn a_port_that_a_server_of_several_threads_has_is_refused_unless_the_later_one_says_that_it_shares_it() {
    let _limit = Limit::new();
    let first = Server::builder().threads(2).bind("127.0.0.1:0").unwrap();
    let address = first.local_addr();
    for threads in [1, 2] {
        let error = Server::builder().threads(threads).bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{threads} threads");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
    Server::builder().threads(2).sharing(Sharing::ReusePort).bind(address).unwrap();
    drop(first);
    Server::builder().threads(2).bind(address).unwrap();
}

#[test]
fn a_server_of_which_a_thread_cannot_start_does_not_start() {
    let _limit = Limit::new();
    quiet();
    let hook = |index, builder| {
        assert!(index != 1, "{EXPECTED}: no reactor");
        builder
    };
    for sharing in ALL {
        let threads = Workers::builder().threads(3).reactor(hook);
        let server = Server::builder().workers(threads).sharing(sharing).bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let error = server.run(|| echo, pending::<()>()).unwrap_err();
        assert_eq!(error.to_string(), format!("worker 1 panicked: {EXPECTED}: no reactor"));
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn the_settings_of_reactors_reach_the_threads_of_a_server() {
    let _limit = Limit::new();
    quiet();
    let (sender, told) = mpsc::channel();
    let threads = Workers::builder().threads(2).reactor(move |index, builder| {
        let sender = sender.clone();
        builder.on_panic(move |panic| {
            sender.send((index, panic.text().to_owned())).unwrap();
            OnPanic::Report
        })
    });
    let server = Server::builder().workers(threads).sharing(Sharing::HandOff).bind("127.0.0.1:0").unwrap();
    let make = || |_connection| async { panic!("{EXPECTED}: a connection") };
    let (drained, mut panics) = while_it_runs(server, make, move |address| {
        // The second is accepted while the first still counts, or not: it is told on one of them.
        let _clients: Vec<_> = (0..2).map(|_| connect(address)).collect();
        [told.recv().unwrap(), told.recv().unwrap()]
    });
    panics.sort();
    assert_eq!(drained.unwrap().failed, 2);
    assert!(panics.iter().all(|(index, text)| *index < 2 && *text == format!("{EXPECTED}: a connection")));
}

#[test]
fn a_listener_that_is_given_is_served_on_all_threads() {
    let _limit = Limit::new();
    for sharing in EVERYWHERE {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let queued = connect(address);
        let server = Server::builder().threads(3).sharing(sharing).listener(listener).unwrap();
        assert_eq!(server.local_addr(), address);
        let (drained, ()) = while_it_runs(
            server,
            || echo,
            move |address| {
                let clients = [queued].into_iter().chain((0..100).map(|_| connect(address)));
                clients.for_each(|mut client| round_trip(&mut client));
            },
        );
        assert_eq!(drained.unwrap().served, 101);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused, "it is closed");
    }
}

#[test]
fn a_listener_that_others_have_too_goes_on_without_the_server() {
    let _limit = Limit::new();
    for threads in [1, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::builder().threads(threads).listener(listener.try_clone().unwrap()).unwrap();
        let (drained, ()) = while_it_runs(server, || echo, |address| round_trip(&mut connect(address)));
        assert_eq!(drained.unwrap().served, 1);
        let _queued = connect(listener.local_addr().unwrap());
        listener.set_nonblocking(false).unwrap();
        listener.accept().unwrap();
    }
}

#[test]
fn what_cannot_be_served_as_a_listener_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error = Server::builder().sharing(Sharing::ReusePort).listener(listener.try_clone().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("ReusePort"), "{error}");

    let connection = std::os::fd::OwnedFd::from(connect(address));
    let error = Server::builder().listener(connection.into()).unwrap_err();
    assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::InvalidData, "it does not listen"));

    let folder = util::folder::Folder::new();
    let unix = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let error = Server::builder().listener(std::os::fd::OwnedFd::from(unix).into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
