//! A client whose servers are named by a resolver of the test's own.
#![cfg(feature = "service")]
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mainspring::channel::mpsc;
use mainspring::client::{Client, ClientBuilder, Error};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::service::balance::Change;
use mainspring::service::{Backoff, FailureAccrual, Rejected, Service};
use mainspring::task::{AbortHandle, JoinSet};
use mainspring::time::sleep;
use mainspring::{spawn, testing};

/// Time enough for whatever loopback has to say.
const MOMENT: Duration = Duration::from_millis(1);

type Changes = mpsc::Sender<Change<SocketAddr, ()>>;

/// A server that answers each byte with its own number.
struct Peer {
    address: SocketAddr,
    accepted: Rc<Cell<usize>>,
    open: Rc<Cell<usize>>,
    accepting: AbortHandle,
}

impl Peer {
    fn new(number: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (accepted, open) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (address, counts) = (listener.local_addr().unwrap(), (accepted.clone(), open.clone()));
        let accepting = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counts.0.set(counts.0.get() + 1);
                let open = counts.1.clone();
                connections.spawn(async move {
                    open.set(open.get() + 1);
                    while matches!(stream.read(&mut [0]).await, Ok(1..)) {
                        stream.write_all(&[number]).await.unwrap();
                    }
                    open.set(open.get() - 1);
                });
            }
        });
        Self { address, accepted, open, accepting: accepting.abort_handle() }
    }

    fn insert(&self, weight: f64) -> Change<SocketAddr, ()> {
        Change::Insert { key: self.address, service: (), weight, priority: 0 }
    }
}

/// Asks a server for its number.
struct Ask(TcpStream);

impl Service<()> for Ask {
    type Response = u8;
    type Error = io::Error;

    async fn call(&self, (): ()) -> io::Result<u8> {
        self.0.write_all(&[0]).await?;
        let mut answer = [0];
        mainspring::io::read_exact(&mut &self.0, &mut answer).await?;
        Ok(answer[0])
    }
}

async fn follow(settings: ClientBuilder, changes: mpsc::Receiver<Change<SocketAddr, ()>>) -> io::Result<Client<Ask>> {
    settings.follow(changes, async |stream| Ok(Ask(stream))).await
}

/// How many of 40 calls go to each of the servers 1 and 2; none may fail.
async fn shares(client: &Client<Ask>) -> [usize; 2] {
    let mut shares = [0; 2];
    for _ in 0..40 {
        shares[usize::from(client.call(()).await.unwrap()) - 1] += 1;
    }
    shares
}

async fn say(changes: &Changes, change: Change<SocketAddr, ()>) {
    changes.try_send(change).unwrap();
    sleep(MOMENT).await;
}

#[test]
fn what_a_resolver_says_is_what_is_called() {
    testing::run(async {
        let (one, two) = (Peer::new(1), Peer::new(2));
        let (sender, changes) = mpsc::bounded(16);
        let connecting = spawn(follow(Client::builder(), changes));
        sleep(MOMENT).await;
        assert!(!connecting.is_finished(), "there is no endpoint yet");
        say(&sender, Change::Remove(two.address)).await;
        assert!(!connecting.is_finished(), "there is none yet");
        sender.try_send(one.insert(1.0)).unwrap();
        let client = connecting.await.unwrap().unwrap();
        assert_eq!(shares(&client).await, [40, 0]);

        say(&sender, two.insert(1.0)).await;
        let both = shares(&client).await;
        assert!(both[0] > 5 && both[1] > 5, "{both:?}");

        // Removed: its connection is closed, and nothing fails.
        say(&sender, Change::Remove(one.address)).await;
        assert_eq!((one.open.get(), two.open.get()), (0, 1));
        assert_eq!(shares(&client).await, [0, 40]);

        // Said again, and of another weight: the same connection.
        say(&sender, two.insert(1.0)).await;
        say(&sender, two.insert(7.0)).await;
        assert_eq!(shares(&client).await, [0, 40]);
        assert_eq!((two.accepted.get(), two.open.get()), (1, 1));

        // It is for the resolver to say that there is none.
        say(&sender, Change::Remove(two.address)).await;
        assert!(matches!(client.call(()).await, Err(Error::Rejected(Rejected::NoEndpoint))));
        say(&sender, one.insert(1.0)).await;
        drop(sender);
        sleep(MOMENT).await;
        assert_eq!(shares(&client).await, [40, 0], "the end of the stream changes nothing");
    });
}

#[test]
fn a_server_that_is_gone_is_avoided_and_stays_until_the_resolver_says_otherwise() {
    testing::run(async {
        let (one, two) = (Peer::new(1), Peer::new(2));
        let (sender, changes) = mpsc::bounded(16);
        sender.try_send(one.insert(1.0)).unwrap();
        sender.try_send(two.insert(1.0)).unwrap();
        let client = follow(Client::builder(), changes).await.unwrap();
        sleep(MOMENT).await;
        assert!(shares(&client).await.iter().all(|share| *share > 5));
        one.accepting.abort();
        sleep(MOMENT).await;
        // The connection that was idle is lost with the call that has it next, which is not made again by itself.
        let mut calls = 0;
        while client.call(()).await.is_ok() {
            calls += 1;
            assert!(calls < 1_000, "no call goes to the server that is gone");
        }
        for _ in 0..5 {
            assert_eq!(shares(&client).await, [0, 40]);
        }
        say(&sender, Change::Remove(two.address)).await;
        assert!(
            matches!(client.call(()).await, Err(Error::Connect(address, _)) if address == one.address),
            "it is there"
        );
    });
}

#[test]
fn a_resolver_that_ends_or_says_nothing_is_an_error() {
    testing::run(async {
        let (sender, changes) = mpsc::bounded(1);
        let limit = Duration::from_secs(3);
        let error = follow(Client::builder().timeout(Some(limit)), changes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(sender.is_closed(), "the stream is dropped");
        let (sender, changes) = mpsc::bounded(1);
        drop(sender);
        let error = follow(Client::builder(), changes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn nobody_follows_once_the_client_is_dropped() {
    testing::run(async {
        let peer = Peer::new(1);
        let (sender, changes) = mpsc::bounded(1);
        sender.try_send(peer.insert(1.0)).unwrap();
        let client = follow(Client::builder(), changes).await.unwrap();
        assert!(!sender.is_closed());
        drop(client);
        sleep(MOMENT).await;
        assert!(sender.is_closed());
    });
}

#[test]
fn a_resolver_that_always_has_something_to_say_leaves_the_others_their_turns() {
    testing::run(async {
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let babbling = futures::stream::repeat_with(move || Change::Remove(address));
        let client =
            Client::builder().timeout(Some(Duration::from_secs(1))).follow(babbling, async |stream| Ok(Ask(stream)));
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        let _others = spawn(async move {
            loop {
                counted.set(counted.get() + 1);
                mainspring::yield_now().await;
            }
        });
        // Time does not pass by itself while there is something to do.
        while turns.get() < 100 {
            mainspring::yield_now().await;
        }
        let client = spawn(client);
        while turns.get() < 1000 {
            mainspring::yield_now().await;
        }
        client.abort();
    });
}

/// A call each second for ten minutes.
async fn calls(client: &Client<Ask>) -> u32 {
    let mut done = 0;
    for _ in 0..600 {
        done += u32::from(client.call(()).await.is_ok());
        sleep(Duration::from_secs(1)).await;
    }
    done
}

#[test]
fn an_endpoint_is_taken_for_dead_when_and_for_as_long_as_was_set() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let good = Peer::new(1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [good.address, listener.local_addr().unwrap()];
        let accepted = Rc::new(Cell::new(0));
        let counted = accepted.clone();
        spawn(async move {
            while listener.accept().await.is_ok() {
                counted.set(counted.get() + 1);
            }
        });
        let accrual = FailureAccrual::new().consecutive(1).backoff(Backoff::new(hour, hour));
        let settings = Client::builder().accrual(accrual).age(None).connections(1);
        let client = settings.connect_to(&addresses, async |stream| Ok(Ask(stream))).unwrap();
        assert_eq!((calls(&client).await, accepted.get()), (599, 1));
    });
}

#[test]
fn nobody_connects_to_an_endpoint_for_as_long_as_was_set_after_one_could_not() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let (good, bad) = (Peer::new(1), Peer::new(2));
        let (addresses, tried) = ([good.address, bad.address], Rc::new(Cell::new(0)));
        let counted = tried.clone();
        let settings = Client::builder().connect_backoff(Backoff::new(hour, hour));
        let client = settings.connect_to(&addresses, async move |stream| {
            if stream.peer_addr()? == bad.address {
                counted.set(counted.get() + 1);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Ok(Ask(stream))
        });
        assert_eq!((calls(&client.unwrap()).await, tried.get()), (600, 1));
    });
}

#[test]
fn to_follow_a_resolver_needs_a_reactor() {
    let (_sender, changes) = mpsc::bounded(1);
    let error = futures::executor::block_on(follow(Client::builder(), changes)).unwrap_err();
    assert!(error.to_string().contains("needs a reactor"), "{error}");
}
