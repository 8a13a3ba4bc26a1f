//! Connecting to hosts with several addresses, and to names.
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Waker};
use std::time::Duration;

use mainspring::channel::oneshot;
use mainspring::net::{TcpListener, TcpStream, ToAddresses};
use mainspring::time::{Clock, Instant, timeout};
use mainspring::{Reactor, Stats, spawn, unblock, yield_now};
use mainspring_sys::Socket;

const DELAY: Duration = Duration::from_millis(250);

/// How late a few timers one after the other may be, each by a tick of the wheel (33 µs) at most.
const LATE: Duration = Duration::from_millis(1);

/// A listener that answers nobody any more: its queue is full, so the system drops what comes.
struct Full {
    _listener: Socket,
    _queued: Vec<Socket>,
    address: SocketAddr,
}

impl Full {
    fn new(host: impl Into<std::net::IpAddr>) -> Self {
        let listener = Socket::listen((host.into(), 0).into(), 0, false).unwrap();
        let address = listener.local_addr().unwrap();
        // More than the queue holds: those after it stay as they are.
        let queued = (0..4).map(|_| {
            let socket = Socket::tcp(&address).unwrap();
            socket.connect(&address).unwrap();
            socket
        });
        Self { _queued: queued.collect(), _listener: listener, address }
    }
}

/// An address where nobody listens.
fn closed() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Runs `test` in virtual time.
fn virtually<T>(test: impl Future<Output = T>) -> T {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let output = reactor.block_on(timeout(Duration::from_secs(3600), test)).unwrap().expect("it ends within the hour");
    assert_eq!((reactor.stats().waits, reactor.stats().timers, reactor.stats().sources), (0, 0, 0));
    output
}

/// Connects, and says how long that took.
async fn connect(addresses: &[SocketAddr]) -> (std::io::Result<TcpStream>, Duration) {
    let start = Instant::now();
    let result = TcpStream::connect(addresses).await;
    (result, start.elapsed())
}

#[track_caller]
fn assert_took(took: Duration, expected: Duration) {
    assert!((expected..=expected + LATE).contains(&took), "{took:?}, expected {expected:?}");
}

#[test]
fn an_address_that_does_not_answer_delays_the_next_by_a_quarter_of_a_second() {
    let silent = [Full::new(Ipv4Addr::LOCALHOST), Full::new(Ipv4Addr::LOCALHOST), Full::new(Ipv4Addr::LOCALHOST)];
    for count in 0..=3_u32 {
        virtually(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let answers = listener.local_addr().unwrap();
            let mut addresses: Vec<_> = silent.iter().take(count as usize).map(|silent| silent.address).collect();
            addresses.extend([answers, silent[0].address]);
            let (stream, took) = connect(&addresses).await;
            assert_eq!(stream.unwrap().peer_addr().unwrap(), answers);
            assert_took(took, DELAY * count);
            assert_eq!(Stats::current().unwrap().sources, 1, "the others are closed, and only the listener is left");
        });
    }
}

#[test]
fn an_address_that_refuses_delays_nobody() {
    let silent = Full::new(Ipv4Addr::LOCALHOST);
    virtually(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = listener.local_addr().unwrap();
        let (stream, took) = connect(&[closed(), closed(), answers]).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), answers);
        assert_took(took, Duration::ZERO);
        // After the first one that is silent, two refuse, and the last is tried at once.
        let (stream, took) = connect(&[silent.address, closed(), closed(), answers]).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), answers);
        assert_took(took, DELAY);
    });
}

#[test]
fn the_families_are_tried_in_turn() {
    let silent = [Full::new(Ipv4Addr::LOCALHOST), Full::new(Ipv4Addr::LOCALHOST)];
    virtually(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).unwrap();
        let answers = listener.local_addr().unwrap();
        let (stream, took) = connect(&[silent[0].address, silent[1].address, answers]).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), answers);
        assert_took(took, DELAY);
    });
}

#[test]
fn when_all_fail_the_last_error_is_reported_and_nothing_is_left() {
    virtually(async {
        let error = TcpStream::connect(&[closed(), closed()][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.raw_os_error().is_some(), "with the code of the system");
        // A broadcast address is refused before anything is sent, with another code.
        let broadcast = SocketAddr::from((Ipv4Addr::BROADCAST, 1));
        let last = TcpStream::connect(&[closed(), broadcast][..]).await.unwrap_err();
        assert_ne!(last.kind(), ErrorKind::ConnectionRefused);
        let last = TcpStream::connect(&[broadcast, closed()][..]).await.unwrap_err();
        assert_eq!(last.kind(), ErrorKind::ConnectionRefused);
        let none: &[SocketAddr] = &[];
        assert_eq!(TcpStream::connect(none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn attempts_from_a_port_of_ones_own_have_it_at_the_same_time() {
    let silent = Full::new(Ipv4Addr::LOCALHOST);
    // Where loopback has more than one address, one of which no other test takes a port.
    let host = if cfg!(target_os = "linux") { "127.0.0.11:0" } else { "127.0.0.1:0" };
    let local = std::net::TcpListener::bind(host).unwrap().local_addr().unwrap();
    virtually(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [silent.address, listener.local_addr().unwrap()];
        let stream = TcpStream::options().local_addr(local).connect(&addresses[..]).await.unwrap();
        assert_eq!((stream.local_addr().unwrap(), stream.peer_addr().unwrap()), (local, addresses[1]));
    });
}

#[test]
fn silent_addresses_take_no_more_than_eight_descriptors() {
    let silent = Full::new(Ipv4Addr::LOCALHOST);
    virtually(async {
        let addresses = vec![silent.address; 100];
        let gave_up = timeout(Duration::from_secs(60), async {
            let mut connecting = Box::pin(TcpStream::connect(&addresses));
            std::future::poll_fn(|cx| {
                assert!(Stats::current().unwrap().sources <= 8);
                connecting.as_mut().poll(cx)
            })
            .await
        });
        // The wait for the system's own timeout is real time, so it is the timeout above that ends it.
        assert!(gave_up.await.is_err());
        assert_eq!(Stats::current().unwrap().sources, 0, "a dropped future closes them all");
    });
}

/// A reactor with one thread for blocking work, whose names are good for so long.
fn with_names(clock: &Clock, lifetime: Duration) -> Reactor {
    Reactor::builder().clock(clock.clone()).blocking_threads(1).names(2, lifetime).build().unwrap()
}

async fn lookup(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    (host, port).to_addresses().unwrap().resolve().await
}

/// Whether a name is known without looking it up: the one thread that could is kept busy.
async fn is_known(host: &str) -> bool {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let busy = unblock(move || blocked.recv().is_err());
    let is_known = Box::pin(lookup(host, 80)).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    drop(release);
    assert!(busy.await.unwrap());
    is_known
}

#[test]
fn a_name_is_looked_up_once_until_it_is_too_old() {
    let clock = Clock::manual();
    let test = async {
        assert!(!is_known("localhost").await);
        let first = lookup("localhost", 80).await.unwrap();
        assert!(is_known("localhost").await);
        let ports = lookup("localhost", 443).await.unwrap();
        assert!(ports.iter().all(|address| address.port() == 443), "the answer is the host's, not the port's");
        assert_eq!(first.len(), ports.len());
        clock.advance(Duration::from_millis(4999)).unwrap();
        assert!(is_known("localhost").await);
        clock.advance(Duration::from_millis(1)).unwrap();
        assert!(!is_known("localhost").await, "it is too old");
        lookup("localhost", 80).await.unwrap();
        assert!(is_known("localhost").await);
    };
    with_names(&clock, Duration::from_secs(5)).block_on(test).unwrap();
    let test = async {
        lookup("localhost", 80).await.unwrap();
        assert!(!is_known("localhost").await, "nothing is kept");
    };
    with_names(&clock, Duration::ZERO).block_on(test).unwrap();
}

#[test]
fn a_failed_lookup_is_not_kept() {
    let test = async {
        // Too long for any resolver, so no name server is asked.
        let host = "x".repeat(254);
        assert_eq!(lookup(&host, 80).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(!is_known(&host).await);
    };
    with_names(&Clock::os(), Duration::MAX).block_on(test).unwrap();
}

#[test]
fn those_who_ask_for_one_host_at_the_same_time_share_a_lookup_and_none_hangs_on_another() {
    let long: &str = "x".repeat(254).leak();
    for host in ["localhost", long] {
        // Room for one lookup, behind what keeps the thread busy.
        let reactor = Reactor::builder().blocking_threads(1).blocking_queue(1).build().unwrap();
        let test = async {
            let (begin, begun) = oneshot::channel();
            let (release, blocked) = std::sync::mpsc::channel::<()>();
            let busy = unblock(move || begin.send(()).is_ok() && blocked.recv().is_err());
            begun.await.unwrap();
            let mut lookups: Vec<_> = (1..=100).map(|port| Box::pin(lookup(host, port))).collect();
            for lookup in &mut lookups {
                assert!(lookup.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            // The one that has begun it, and the one that was polled last.
            let last = lookups.pop();
            drop((lookups.remove(0), last));
            let found = spawn(async move {
                let mut found = Vec::new();
                for lookup in lookups {
                    found.push(lookup.await.map_err(|error| error.kind()));
                }
                found
            });
            yield_now().await;
            drop(release);
            assert!(busy.await.unwrap());
            found.await.unwrap()
        };
        for (found, port) in reactor.block_on(test).unwrap().into_iter().zip(2..) {
            match host {
                "localhost" => assert!(found.unwrap().iter().all(|address| address.port() == port)),
                _ => assert_eq!(found, Err(ErrorKind::InvalidInput)),
            }
        }
    }
}

#[test]
fn a_lookup_that_has_not_begun_when_its_reactor_ends_says_so() {
    let reactor = with_names(&Clock::os(), Duration::MAX);
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let mut lookup = Box::pin(lookup("localhost", 80));
    let waits = async {
        let (begin, begun) = oneshot::channel();
        drop(unblock(move || begin.send(()).is_ok() && blocked.recv().is_err()));
        begun.await.unwrap();
        assert!(lookup.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    reactor.block_on(waits).unwrap();
    drop(reactor);
    let error = futures::executor::block_on(lookup).unwrap_err();
    assert_eq!(error.to_string(), "the reactor has ended");
    drop(release);
}
