//! A client all of whose places are taken: that is no failure of the endpoints behind it.
#![cfg(feature = "service")]
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use mainspring::client::{Client, ClientBuilder, Error};
use mainspring::net::TcpListener;
use mainspring::service::{Rejected, Service, Status, service_fn};
use mainspring::testing;
use mainspring::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// One whose calls take as long as they are told to, and say at which endpoint they were.
fn client(
    settings: ClientBuilder,
    listeners: &[TcpListener],
) -> Client<impl Service<Duration, Response = SocketAddr, Error = io::Error> + 'static> {
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let client = settings.attempts(1).waiters(0).connect_to(&addresses, async |stream| {
        Ok(service_fn(async move |takes: Duration| {
            sleep(takes).await;
            stream.peer_addr()
        }))
    });
    client.unwrap()
}

fn listeners<const N: usize>() -> [TcpListener; N] {
    [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
}

/// How many were answered, and how many found no place.
fn count<T>(results: &[Result<T, Error<io::Error>>]) -> (usize, usize) {
    let full = |result: &&Result<T, _>| matches!(result, Err(Error::Rejected(Rejected::Full)));
    (results.iter().filter(|result| result.is_ok()).count(), results.iter().filter(full).count())
}

#[test]
fn an_endpoint_is_not_taken_for_dead_for_calls_that_found_no_place() {
    testing::run(async {
        let listeners = listeners::<1>();
        let client = client(Client::builder().connections(64), &listeners);
        let results = join_all((0..100).map(|_| client.call(SECOND))).await;
        assert_eq!(count(&results), (64, 36));
        assert_eq!(client.status(), Status::Open);
    });
}

#[test]
fn an_endpoint_does_not_count_as_slow_for_calls_that_found_no_place() {
    testing::run(async {
        let listeners = listeners::<2>();
        let client = client(Client::builder().connections(2), &listeners);
        // Two at each, and one more at either.
        let results = join_all((0..5).map(|_| client.call(SECOND))).await;
        assert_eq!(count(&results), (4, 1));
        // Both have taken a second. A penalty of one would be four more, and more than twice that of the other.
        let mut calls = BTreeMap::<_, usize>::new();
        for result in join_all((0..2).map(|_| client.call(SECOND))).await {
            *calls.entry(result.unwrap()).or_default() += 1;
        }
        assert_eq!(calls.into_values().collect::<Vec<_>>(), [1, 1]);
    });
}
