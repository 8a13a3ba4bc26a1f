//! The client over real sockets: its connections, its limits, and servers that die, refuse and come back.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::{FutureExt, poll};
use mainspring::client::{Client, ClientBuilder, Error, NotDone};
use mainspring::codec::{Framed, Lines};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::proto::pipeline;
use mainspring::service::{Idempotent, Rejected, Service, Status, service_fn};
use mainspring::task::JoinSet;
use mainspring::testing::{self, Test};
use mainspring::time::{Instant, sleep, timeout};
use mainspring::{JoinHandle, spawn};
use mainspring_sys::Socket;

const SECOND: Duration = Duration::from_secs(1);

/// Time enough for whatever loopback has to say: the virtual clock moves when that has been said.
const MOMENT: Duration = Duration::from_millis(1);

/// A request that is never answered.
const SILENCE: u8 = 0;

/// A request that closes the connection.
const CLOSE: u8 = 1;

/// A request that is answered after a second.
const SLOW: u8 = 2;

/// A server that answers a byte with the byte after it.
struct Peer {
    address: SocketAddr,
    seen: Rc<Seen>,
    accepting: JoinHandle<()>,
}

/// What it has seen.
#[derive(Default)]
struct Seen {
    accepted: Cell<usize>,
    open: Cell<usize>,
    most: Cell<usize>,
    requests: RefCell<Vec<u8>>,
}

impl Peer {
    fn new() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Rc::new(Seen::default()));
        let seeing = seen.clone();
        let accepting = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                seeing.accepted.set(seeing.accepted.get() + 1);
                connections.spawn(answer(stream, seeing.clone()));
            }
        });
        Self { address, seen, accepting }
    }

    /// Ends it, and with it its connections.
    async fn die(self) -> SocketAddr {
        self.accepting.abort();
        assert!(self.accepting.await.unwrap_err().is_aborted());
        self.address
    }

    fn accepted(&self) -> usize {
        self.seen.accepted.get()
    }

    fn open(&self) -> usize {
        self.seen.open.get()
    }
}

async fn answer(stream: TcpStream, seen: Rc<Seen>) -> io::Result<()> {
    struct Leave(Rc<Seen>);
    impl Drop for Leave {
        fn drop(&mut self) {
            self.0.open.set(self.0.open.get() - 1);
        }
    }
    seen.open.set(seen.open.get() + 1);
    seen.most.set(seen.most.get().max(seen.open.get()));
    let leave = Leave(seen);
    let mut byte = [0];
    while stream.read(&mut byte).await? > 0 {
        leave.0.requests.borrow_mut().push(byte[0]);
        match byte[0] {
            SILENCE => continue,
            CLOSE => break,
            SLOW => sleep(SECOND).await,
            _ => {}
        }
        stream.write_all(&[byte[0].wrapping_add(1)]).await?;
    }
    Ok(())
}

/// A protocol that knows nothing of late answers, nor of the state of its connection.
struct Bytes(TcpStream);

impl Service<u8> for Bytes {
    type Response = u8;
    type Error = io::Error;

    async fn call(&self, request: u8) -> io::Result<u8> {
        self.0.write_all(&[request]).await?;
        let mut answer = [0];
        mainspring::io::read_exact(&mut &self.0, &mut answer).await?;
        Ok(answer[0])
    }
}

async fn client<C: Clone + 'static>(settings: ClientBuilder<C>, address: SocketAddr) -> Client<Bytes, C> {
    settings.connect(address, async |stream| Ok(Bytes(stream))).await.unwrap()
}

/// One whose calls are made once.
async fn plain(settings: ClientBuilder, peer: &Peer) -> Client<Bytes> {
    client(settings.attempts(1), peer.address).await
}

/// A port where nobody listens.
fn refuses() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn calls_one_after_the_other_share_a_connection() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder(), &peer).await;
        assert_eq!(peer.accepted(), 0, "no connection before the first call");
        for request in 10..20 {
            assert_eq!(client.call(request).await.unwrap(), request + 1);
        }
        assert_eq!((peer.accepted(), peer.open()), (1, 1));
    });
}

#[test]
fn there_are_no_more_connections_than_were_set_and_calls_wait_in_their_order() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder().connections(3), &peer).await;
        let ended = RefCell::new(Vec::new());
        let calls = (10..40).map(|request| {
            let (client, ended) = (&client, &ended);
            async move {
                client.call(request).await.unwrap();
                ended.borrow_mut().push(request);
            }
        });
        futures::future::join_all(calls).await;
        assert_eq!((peer.accepted(), peer.seen.most.get()), (3, 3));
        // Those beyond the first three came in after one another.
        let requests = peer.seen.requests.borrow();
        assert_eq!(requests.len(), 30);
        for (place, request) in requests.iter().enumerate() {
            assert!((place as i32 - (i32::from(*request) - 10)).abs() < 3, "{requests:?}");
        }
        assert_eq!(ended.borrow().len(), 30);
    });
}

#[test]
fn one_connection_serves_those_who_wait_in_exactly_their_order() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder().connections(1), &peer).await;
        futures::future::join_all((10..30).map(|request| client.call(request))).await;
        assert_eq!(*peer.seen.requests.borrow(), (10..30).collect::<Vec<_>>());
        assert_eq!(peer.accepted(), 1);
    });
}

#[test]
fn a_call_beyond_those_that_may_wait_is_rejected() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder().connections(1).waiters(1), &peer).await;
        assert_eq!(client.status(), Status::Open);
        let mut first = pin!(client.call(SLOW));
        let mut second = pin!(client.call(10));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert_eq!(client.status(), Status::Busy);
        let error = client.call(11).await.unwrap_err();
        assert!(matches!(error, Error::Rejected(Rejected::Full)), "{error}");
        let (first, second) = futures::join!(first, second);
        assert_eq!((first.unwrap(), second.unwrap()), (SLOW + 1, 11));
    });
}

#[test]
fn a_waiter_that_gives_up_is_not_handed_a_connection() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder().connections(1), &peer).await;
        let mut first = pin!(client.call(SLOW));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(client.call(10));
        let mut third = pin!(client.call(20));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        first.await.unwrap();
        // The place is the second's, who has not seen it.
        drop(second);
        assert_eq!(third.await.unwrap(), 21);
        assert_eq!((&peer.seen.requests.borrow()[..], peer.accepted()), (&[SLOW, 20][..], 1));
    });
}

#[test]
fn idle_connections_are_closed_when_their_time_is_over_but_those_that_are_kept() {
    Test::new().run(async {
        let peer = Peer::new();
        let settings = Client::builder().idle(Some(10 * SECOND)).age(None).keep(2);
        let client = plain(settings, &peer).await;
        futures::future::join_all((10..15).map(|request| client.call(request))).await;
        assert_eq!(peer.open(), 5);
        sleep(5 * SECOND).await;
        client.call(10).await.unwrap();
        sleep(5 * SECOND - MOMENT).await;
        assert_eq!(peer.open(), 5);
        sleep(2 * MOMENT).await;
        assert_eq!(peer.open(), 2);
        sleep(1000 * SECOND).await;
        assert_eq!((peer.open(), peer.accepted()), (2, 5));
        client.call(10).await.unwrap();
        assert_eq!(peer.accepted(), 5);
    });
}

#[test]
fn a_connection_ends_at_its_age_whether_it_is_kept_or_in_use() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder().keep(9).age(Some(100 * SECOND)), &peer).await;
        futures::future::join_all((10..18).map(|request| client.call(request))).await;
        sleep(75 * SECOND - MOMENT).await;
        assert_eq!(peer.open(), 8);
        let mut left = vec![8];
        for _ in 0..26 {
            sleep(SECOND).await;
            left.push(peer.open());
        }
        assert_eq!(left.last(), Some(&0), "{left:?}");
        left.dedup();
        assert!(left.len() > 3, "not all at once: {left:?}");

        let client = plain(Client::builder().age(Some(SECOND / 2)), &peer).await;
        assert_eq!(client.call(SLOW).await.unwrap(), SLOW + 1);
        assert_eq!(client.call(10).await.unwrap(), 11);
        assert_eq!(peer.accepted(), 10, "the first was too old when it came back");
    });
}

#[test]
fn a_call_that_fails_or_is_dropped_closes_its_connection_so_that_no_late_answer_is_taken_for_another() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder().connections(1).attempt_timeout(Some(SECOND / 2)), &peer).await;
        let error = client.call(SLOW).await.unwrap_err();
        assert!(matches!(error, Error::Elapsed(_)), "{error}");
        assert_eq!(client.call(10).await.unwrap(), 11);
        assert!(timeout(SECOND / 4, client.call(SLOW)).await.is_err());
        assert_eq!(client.call(20).await.unwrap(), 21);
        let error = client.call(CLOSE).await.unwrap_err();
        assert!(matches!(error, Error::Call(_)), "{error}");
        assert_eq!(client.call(30).await.unwrap(), 31);
        assert_eq!(peer.accepted(), 4);
        sleep(2 * SECOND).await;
        assert_eq!(peer.open(), 1);
    });
}

#[test]
fn a_call_that_is_dropped_at_any_poll_gives_its_place_back() {
    testing::run(async {
        let peer = Peer::new();
        for reuse in [false, true] {
            let mut dropped = 0;
            for polls in 0..20 {
                // With one place, a place that is lost is a call that waits for ever.
                let settings = Client::builder().connections(1).reuse_failed(reuse).attempt_timeout(Some(5 * SECOND));
                let client = plain(settings, &peer).await;
                for is_connected in [false, true] {
                    if is_connected {
                        client.call(10).await.unwrap();
                    }
                    let mut call = Box::pin(client.call(SLOW));
                    for _ in 0..polls {
                        if poll!(&mut call).is_ready() {
                            break;
                        }
                        mainspring::yield_now().await;
                    }
                    let mut waits = Box::pin(client.call(30));
                    assert!(poll!(&mut waits).is_pending());
                    drop(call);
                    dropped += 1;
                    // Bytes cannot be used on after a drop: only that there is a place is asked of it.
                    let answer = waits.await.unwrap();
                    assert!(reuse || answer == 31, "{answer} after {polls} polls");
                }
            }
            assert_eq!(dropped, 40);
        }
    });
}

#[test]
fn dropping_the_client_closes_idle_connections_and_leaves_no_task() {
    Test::new().all_tasks_end().run(async {
        let peer = Peer::new();
        let client = plain(Client::builder(), &peer).await;
        let clone = client.clone();
        client.call(10).await.unwrap();
        drop(client);
        sleep(MOMENT).await;
        assert_eq!(peer.open(), 1);
        drop(clone);
        sleep(MOMENT).await;
        assert_eq!(peer.open(), 0);
        let by_name = Client::builder().connect(("localhost", peer.address.port()), async |stream| Ok(Bytes(stream)));
        let by_name = by_name.await.unwrap();
        assert_eq!(by_name.call(10).await.unwrap(), 11);
        drop(by_name);
        peer.die().await;
        sleep(MOMENT).await;
    });
}

/// Lines over `pipeline`, which says Closed when its connection has ended.
async fn lines(settings: ClientBuilder, address: SocketAddr) -> Client<pipeline::Client<String, String>> {
    let connect = settings.connect(address, async |stream| {
        let (client, connection) = pipeline::connect(Framed::new(stream, Lines::new()));
        spawn(connection);
        Ok(client)
    });
    connect.await.unwrap()
}

#[test]
fn a_connection_that_has_closed_while_it_was_idle_is_not_handed_out() {
    testing::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = lines(Client::builder().attempts(1), listener.local_addr().unwrap()).await;
        let accepted = Rc::new(Cell::new(0));
        let accepting = accepted.clone();
        spawn(async move {
            let service = service_fn(async |line: String| io::Result::Ok(line.to_uppercase()));
            while let Ok((stream, _)) = listener.accept().await {
                accepting.set(accepting.get() + 1);
                // Closed by the server after ten seconds.
                let served = pipeline::serve(Framed::new(stream, Lines::new()), &service);
                let _elapsed = timeout(10 * SECOND, served).await;
            }
        });
        for round in 1..4 {
            for _ in 0..3 {
                assert_eq!(client.call("hello".into()).await.unwrap(), "HELLO");
            }
            assert_eq!(accepted.get(), round);
            sleep(11 * SECOND).await;
        }
    });
}

#[test]
fn a_protocol_that_throws_late_answers_away_keeps_its_connection_when_a_call_is_dropped() {
    testing::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = lines(Client::builder().connections(1).reuse_failed(true), address).await;
        spawn(async move {
            let service = service_fn(async |line: String| {
                sleep(SECOND).await;
                io::Result::Ok(line)
            });
            let (stream, _) = listener.accept().await.unwrap();
            pipeline::serve(Framed::new(stream, Lines::new()), &service).await.unwrap();
        });
        assert!(timeout(SECOND / 2, client.call("first".into())).await.is_err());
        // The one connection that is accepted.
        assert_eq!(client.call("second".into()).await.unwrap(), "second");
    });
}

#[test]
fn a_server_that_dies_and_comes_back_is_called_again() {
    testing::run(async {
        let peer = Peer::new();
        let client = plain(Client::builder(), &peer).await;
        assert_eq!(client.call(10).await.unwrap(), 11);
        let address = peer.die().await;
        let error = client.call(10).await.unwrap_err();
        assert!(matches!(error, Error::Call(_)), "the connection was lost: {error}");
        for _ in 0..20 {
            let error = client.call(10).await.unwrap_err();
            assert!(matches!(&error, Error::Connect(whom, error)
                if *whom == address && error.kind() == io::ErrorKind::ConnectionRefused && error.raw_os_error().is_some()));
        }
        assert_eq!(client.status(), Status::Busy, "taken for dead");
        let back = Peer::at(address);
        assert_eq!(client.call(10).await.unwrap(), 11, "the only endpoint is tried all the same");
        assert_eq!(back.accepted(), 1);
        drop(back);
    });
}

#[test]
fn of_two_endpoints_the_one_that_refuses_costs_no_call() {
    testing::run(async {
        let peer = Peer::new();
        let (whom, made) = ([refuses(), peer.address], Rc::new(Cell::new(0)));
        let making = made.clone();
        let client = Client::builder().connect(&whom[..], async move |stream| {
            making.set(making.get() + 1);
            Ok(Bytes(stream))
        });
        let client = client.await.unwrap();
        for _ in 0..100 {
            assert_eq!(client.call(10).await.unwrap(), 11);
        }
        assert_eq!((made.get(), peer.accepted(), peer.seen.requests.borrow().len()), (1, 1, 100));

        // It is found once its failure is forgotten, beside a peer that takes no time at all on this clock.
        let other = Peer::at(whom[0]);
        for _ in 0..100 {
            sleep(5 * SECOND).await;
            client.call(10).await.unwrap();
        }
        assert!(other.accepted() > 0);
    });
}

#[test]
fn endpoints_that_cannot_be_reached_are_tried_once_and_then_again_after_a_while() {
    testing::run(async {
        let whom = vec![refuses(), refuses()];
        let client = Client::builder().attempts(1).connect(whom, async |stream| Ok(Bytes(stream))).await.unwrap();
        for round in 0..2 {
            for call in 0..10 {
                let error = client.call(10).await.unwrap_err();
                let is_tried = matches!(error, Error::Connect(..));
                let is_rejected = matches!(error, Error::Rejected(Rejected::Down));
                assert_eq!((is_tried, is_rejected), (call < 2, call >= 2), "call {call} of round {round}: {error}");
            }
            sleep(SECOND).await;
        }
    });
}

#[test]
fn an_endpoint_whose_calls_fail_is_left_alone() {
    testing::run(async {
        let (good, bad) = (Peer::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = [good.address, bad.local_addr().unwrap()];
        let tried = Rc::new(Cell::new(0));
        let trying = tried.clone();
        spawn(async move {
            // Accepts, and hangs up.
            while bad.accept().await.is_ok() {
                trying.set(trying.get() + 1);
            }
        });
        let settings = Client::builder().classifier(Idempotent);
        let client = settings.connect(&addresses[..], async |stream| Ok(Bytes(stream))).await.unwrap();
        for _ in 0..300 {
            assert_eq!(client.call(10).await.unwrap(), 11);
        }
        assert!((1..=5).contains(&tried.get()), "{} calls", tried.get());
    });
}

#[test]
fn connecting_has_its_timeout_whether_the_system_or_the_handshake_is_slow() {
    testing::run(async {
        // The queue of the listener is full, so the system drops what comes.
        let listener = Socket::listen("127.0.0.1:0".parse().unwrap(), 0, false).unwrap();
        let address = listener.local_addr().unwrap();
        let queued = (0..4).map(|_| {
            let socket = Socket::tcp(&address).unwrap();
            socket.connect(&address).unwrap();
            socket
        });
        let _queued: Vec<_> = queued.collect();
        let is_late = async |client: &Client<Bytes>, limit: Duration| {
            let start = Instant::now();
            let error = client.call(10).await.unwrap_err();
            assert!(matches!(&error, Error::Connect(_, error) if error.kind() == io::ErrorKind::TimedOut), "{error}");
            assert!((limit..limit + MOMENT).contains(&start.elapsed()), "{:?}", start.elapsed());
        };
        is_late(&client(Client::builder().attempts(1), address).await, SECOND).await;
        let settings = Client::builder().attempts(1).connect_timeout(Some(3 * SECOND));
        is_late(&client(settings.clone(), address).await, 3 * SECOND).await;

        let peer = Peer::new();
        let handshake = settings.connect(peer.address, async |_stream| std::future::pending().await);
        is_late(&handshake.await.unwrap(), 3 * SECOND).await;
        sleep(MOMENT).await;
        assert_eq!((peer.accepted(), peer.open()), (1, 0), "the socket is closed");
    });
}

#[test]
fn the_total_timeout_counts_waits_and_attempts_together() {
    testing::run(async {
        let peer = Peer::new();
        let settings = Client::builder().connections(1).timeout(Some(3 * SECOND)).attempt_timeout(Some(2 * SECOND));
        let client = client(settings.classifier(Idempotent), peer.address).await;
        let start = Instant::now();
        let (first, second) = futures::join!(client.call(SILENCE), client.call(SILENCE));
        assert!(matches!((first, second), (Err(Error::Elapsed(_)), Err(Error::Elapsed(_)))));
        assert!((3 * SECOND..3 * SECOND + MOMENT).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(client.call(10).await.unwrap(), 11);

        let forever = plain(Client::builder().timeout(None).attempt_timeout(None), &peer).await;
        assert!(timeout(86_400 * SECOND, forever.call(SILENCE)).await.is_err());
    });
}

#[test]
fn a_name_that_has_no_address_is_an_error_before_any_call() {
    testing::run(async {
        let none: Vec<SocketAddr> = Vec::new();
        let error = Client::builder().connect(none, async |stream| Ok(Bytes(stream))).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = Client::builder().connect("no port", async |stream| Ok(Bytes(stream))).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
    let outside = Client::builder().connect(("localhost", 1), async |stream| Ok(Bytes(stream)));
    assert!(outside.now_or_never().is_some_and(|result| result.is_err()));
}

#[test]
fn a_client_of_known_addresses_is_made_where_no_reactor_runs() {
    let make = |addresses: &[SocketAddr]| Client::builder().connect_to(addresses, async |stream| Ok(Bytes(stream)));
    assert_eq!(make(&[]).unwrap_err().kind(), io::ErrorKind::NotFound);
    let address = refuses();
    let client = make(&[address, refuses()]).unwrap();
    testing::run(async move {
        let peer = Peer::at(address);
        for _ in 0..20 {
            assert_eq!(client.call(10).await.unwrap(), 11);
        }
        assert_eq!(peer.accepted(), 1);
    });
}

#[test]
fn a_client_has_a_name_of_its_own_and_fits_in_io_results() {
    struct Driver {
        client: Client<Bytes, NotDone>,
    }
    testing::run(async {
        let driver = Driver { client: client(Client::builder().attempts(1), refuses()).await };
        let error = io::Error::from(driver.client.call(10).await.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with("cannot connect to 127.0.0.1:"), "{error}");
    });
}
