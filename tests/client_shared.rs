//! Connections of a client that serve several calls at one time: who gets which, and what becomes of one that fails.
#![cfg(feature = "service")]
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use mainspring::client::{Client, ClientBuilder, Error};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::service::{Service, Status, service_fn};
use mainspring::task::JoinSet;
use mainspring::time::{Instant, sleep, timeout};
use mainspring::{spawn, testing, yield_now};

mod util;
use util::random::Random;

const SECOND: Duration = Duration::from_secs(1);

/// What is done with a call: how long it takes, and whether it fails then.
type Request = (Duration, bool);

/// Connections as their server does not see them, by number.
#[derive(Default)]
struct World {
    /// How often one was begun to be made.
    made: Cell<u64>,
    /// Calls on each that is open.
    open: RefCell<BTreeMap<u64, usize>>,
    /// The most calls that one has had.
    most: Cell<usize>,
    /// How long making one takes.
    takes: Cell<Duration>,
    /// Whether that fails then.
    fails: Cell<bool>,
    /// Set when a connection is lost, by its number.
    lost: Cell<Option<u64>>,
}

/// A connection, which is only there to be counted.
struct Connection {
    number: u64,
    world: Rc<World>,
    _stream: TcpStream,
}

impl Connection {
    /// One call more or less; returns how many there are.
    fn count(&self, change: isize) -> usize {
        let mut open = self.world.open.borrow_mut();
        let calls = open.get_mut(&self.number).expect("it is open");
        *calls = calls.checked_add_signed(change).expect("it was counted");
        *calls
    }
}

/// A call on one.
struct Inside<'a>(&'a Connection);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.count(-1);
    }
}

impl Service<Request> for Connection {
    type Response = u64;
    type Error = io::Error;

    async fn call(&self, (takes, fails): Request) -> io::Result<u64> {
        let most = &self.world.most;
        most.set(most.get().max(self.count(1)));
        let _inside = Inside(self);
        sleep(takes).await;
        if fails { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(self.number) }
    }

    fn status(&self) -> Status {
        if self.world.lost.get() == Some(self.number) { Status::Closed } else { Status::Open }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        assert_eq!(self.world.open.borrow_mut().remove(&self.number), Some(0), "it is closed under a call");
    }
}

fn client(settings: ClientBuilder) -> (Client<Connection>, Rc<World>) {
    let (world, listener) = (Rc::new(World::default()), TcpListener::bind("127.0.0.1:0").unwrap());
    let (making, address): (_, SocketAddr) = (world.clone(), listener.local_addr().unwrap());
    let client = settings.attempts(1).connect_to(&[address], async move |stream| {
        // Kept with what is made of it, so that the backlog is not refused.
        let (number, _listener) = (making.made.get() + 1, &listener);
        making.made.set(number);
        sleep(making.takes.get()).await;
        if making.fails.get() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "no handshake"));
        }
        making.open.borrow_mut().insert(number, 0);
        Ok(Connection { number, world: making.clone(), _stream: stream })
    });
    (client.unwrap(), world)
}

/// Calls that begin together and take so long.
async fn together(client: &Client<Connection>, count: usize, takes: Duration) -> Vec<Result<u64, Error<io::Error>>> {
    join_all((0..count).map(|_| client.call((takes, false)))).await
}

#[test]
fn a_connection_is_full_before_another_is_made_and_calls_beyond_all_wait() {
    testing::run(async {
        let (client, world) = client(Client::builder().connections(2).calls_per_connection(3));
        let start = Instant::now();
        let mut numbers: Vec<_> = together(&client, 7, SECOND).await.into_iter().map(Result::unwrap).collect();
        numbers.sort_unstable();
        assert_eq!((world.made.get(), world.most.get()), (2, 3));
        assert!(start.elapsed() >= 2 * SECOND, "the seventh has waited for a place");
        assert_eq!((numbers[..3].to_vec(), numbers[6]), (vec![1, 1, 1], 2));
        for _ in 0..10 {
            together(&client, 3, SECOND).await;
        }
        assert_eq!(world.made.get(), 2);
    });
}

#[test]
fn calls_that_come_while_a_connection_is_made_wait_for_it() {
    testing::run(async {
        let (client, world) = client(Client::builder().connections(4).calls_per_connection(10));
        world.takes.set(SECOND / 2);
        let numbers: Vec<_> = together(&client, 10, SECOND).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(numbers, [1; 10]);
        let numbers: Vec<_> = together(&client, 25, SECOND).await.into_iter().map(Result::unwrap).collect();
        assert_eq!((world.made.get(), world.most.get()), (3, 10));
        assert!([1, 2, 3].iter().all(|number| numbers.contains(number)));
    });
}

#[test]
fn all_who_wait_for_a_connection_hear_why_there_is_none() {
    testing::run(async {
        let (client, world) = client(Client::builder().calls_per_connection(10));
        world.takes.set(SECOND / 2);
        world.fails.set(true);
        let start = Instant::now();
        for result in together(&client, 10, SECOND).await {
            let error = result.unwrap_err();
            assert!(matches!(&error, Error::Connect(_, error) if error.kind() == io::ErrorKind::PermissionDenied));
            assert!(error.to_string().ends_with("no handshake"), "{error}");
        }
        assert_eq!((world.made.get(), start.elapsed() < SECOND), (1, true));
        world.fails.set(false);
        assert_eq!(client.call((SECOND, false)).await.unwrap(), 2);
    });
}

#[test]
fn all_who_wait_hear_what_the_system_has_said() {
    testing::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let builder = Client::builder().attempts(1).calls_per_connection(10);
        let client = builder.connect_to(&[address], async move |_stream: TcpStream| {
            sleep(SECOND).await;
            TcpListener::bind(address)?;
            Ok(service_fn(async |()| io::Result::Ok(())))
        });
        let client = client.unwrap();
        for result in join_all((0..3).map(|_| client.call(()))).await {
            let Err(Error::Connect(_, error)) = result else { panic!("{result:?}") };
            let cause: Option<&io::Error> = error.source().and_then(|cause| cause.downcast_ref());
            assert!(cause.is_some_and(|cause| cause.raw_os_error().is_some()), "{error:?}");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    });
}

#[test]
fn when_the_call_that_makes_a_connection_is_dropped_the_others_make_their_own() {
    testing::run(async {
        let (client, world) = client(Client::builder().calls_per_connection(10));
        world.takes.set(SECOND / 2);
        let calling = client.clone();
        let first = spawn(async move { calling.call((SECOND, false)).await.map_err(|error| error.to_string()) });
        yield_now().await;
        let others = together(&client, 5, SECOND);
        let (numbers, ()) = futures::join!(others, async {
            sleep(SECOND / 4).await;
            first.abort();
        });
        assert!(numbers.into_iter().all(|number| number.unwrap() == 2));
        assert_eq!(world.made.get(), 2);
    });
}

#[test]
fn one_that_fails_ends_with_the_calls_that_it_has_and_one_that_is_kept_does_not() {
    testing::run(async {
        for (is_kept, next) in [(false, 2), (true, 1)] {
            let (client, world) = client(Client::builder().calls_per_connection(10).reuse_failed(is_kept));
            let long = async { client.call((5 * SECOND, false)).await.unwrap() };
            let short = async {
                client.call((SECOND, true)).await.unwrap_err();
                let number = client.call((SECOND, false)).await.unwrap();
                // Dropped and not failed, which is the same.
                assert!(client.call((SECOND, false)).now_or_never().is_none());
                number
            };
            assert_eq!(futures::join!(long, short), (1, next));
            let open: Vec<_> = world.open.borrow().keys().copied().collect();
            assert_eq!(open, if is_kept { vec![1] } else { vec![] });
        }
    });
}

#[test]
fn one_that_is_closed_has_no_further_call() {
    testing::run(async {
        let (client, world) = client(Client::builder().calls_per_connection(10));
        let long = async { client.call((5 * SECOND, false)).await.unwrap() };
        let lose = async {
            sleep(SECOND).await;
            world.lost.set(Some(1));
            client.call((SECOND, false)).await.unwrap()
        };
        assert_eq!(futures::join!(long, lose), (1, 2));
        assert_eq!(world.open.borrow().len(), 1);
    });
}

#[test]
fn one_that_is_never_idle_ends_at_its_age() {
    testing::run(async {
        let (client, world) = client(Client::builder().calls_per_connection(2).age(Some(100 * SECOND)));
        let mut tasks = JoinSet::new();
        for half in 0..2 {
            let client = client.clone();
            tasks.spawn(async move {
                sleep(half * SECOND).await;
                for _ in 0..100 {
                    client.call((2 * SECOND, false)).await.unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert!((3..=4).contains(&world.made.get()), "{} in 200 s", world.made.get());
    });
}

#[test]
fn random_calls_find_no_connection_too_full_and_leave_none_behind() {
    for seed in 0..30 {
        println!("seed {seed}");
        testing::run(async move {
            let mut random = Random::new(seed);
            let (connections, calls) = (1 + random.below(3), 1 + random.below(4));
            // Where none ends early, there are never more than were allowed.
            let is_calm = random.below(2) == 0;
            let settings = Client::builder().connections(connections).calls_per_connection(calls);
            let settings = settings.reuse_failed(is_calm).age((!is_calm).then_some(5 * SECOND));
            let (client, world) = client(settings);
            let mut tasks = JoinSet::new();
            for _ in 0..300 {
                world.takes.set(Duration::from_millis(random.below(20) as u64));
                world.fails.set(random.below(10) == 0);
                if !is_calm && random.below(20) == 0 {
                    world.lost.set(Some(world.made.get()));
                }
                let request = (Duration::from_millis(random.below(100) as u64), random.below(10) == 0);
                let (client, patience) = (client.clone(), Duration::from_millis(random.below(200) as u64));
                tasks.spawn(async move { timeout(patience, client.call(request)).await.is_ok() });
                sleep(Duration::from_millis(random.below(10) as u64)).await;
                assert!(!is_calm || world.open.borrow().len() <= connections, "{:?}", world.open.borrow());
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
            assert_eq!(world.most.get(), calls, "the most calls on one");
            drop(client);
            assert_eq!(world.open.borrow().len(), 0, "none is left");
        });
    }
}
