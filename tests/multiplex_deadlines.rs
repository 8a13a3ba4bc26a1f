//! The deadlines of multiplexed connections, in virtual time: pings, stalls, and those of a served connection that are
//! not the pipeline's to the letter.
//!
//! The settings differ, so the time of an end tells which of them was at work. What is tested is the root of the
//! reactor and polled only when it was woken; the peer is a task of its own.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod end;
    pub(crate) mod message;
    pub(crate) mod mock;
}

use std::future::pending;
use std::io;
use std::time::Duration;

use mainspring::proto::Deadlines;
use mainspring::proto::multiplex::{self, Connection, ErrorKind, Frame, Role, ServeError, Server};
use mainspring::service::{Service, ServiceExt, service_fn};
use mainspring::time::{Clock, sleep, timeout};
use mainspring::{JoinHandle, Reactor, spawn};

use util::end::{DAY, End, LATE};
use util::message::Message;
use util::mock::{Mock, Peer, mock};

const DEADLINES: Deadlines =
    Deadlines { first_byte: seconds(2), partial_frame: seconds(3), idle: seconds(5), request: seconds(11) };

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Runs `future` in a reactor that moves its clock when nothing else is to be done.
fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    reactor.block_on(future).unwrap()
}

/// Fails with the peer if it has panicked. It may wait for ever for what the connection did not do.
async fn see_out(play: JoinHandle<()>) {
    if let Ok(played) = timeout(DAY, play).await {
        played.unwrap();
    }
}

type Client<M> = multiplex::Client<M, M>;

/// Drives a client's connection while `play` makes calls and answers them.
fn connect<M: Frame + PartialEq + 'static>(
    set: impl FnOnce(Connection<Mock<M, M>, M>) -> Connection<Mock<M, M>, M>,
    play: impl AsyncFnOnce(Client<M>, Peer<M, M>) + 'static,
) -> End<io::Error> {
    in_virtual_time(async {
        let (peer, transport) = mock();
        let (client, connection) = multiplex::connect(transport);
        let play = spawn(async move { play(client, peer).await });
        let end = End::of(set(connection)).await;
        see_out(play).await;
        end
    })
}

/// Makes a call, and drops it after a second, when it has long been written.
async fn abandon<const LAST: u64, const RICH: bool>(client: &Client<Message<LAST, RICH>>) {
    assert!(timeout(seconds(1), client.call(Message::request(0))).await.is_err());
}

#[test]
fn a_silent_peer_is_asked_after_five_seconds_and_given_up_after_four_more() {
    let end = connect(
        |connection| connection,
        async |client: Client<Message>, peer: Peer<Message, Message>| {
            let error = client.call(Message::request(1)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionLost);
            assert_eq!(peer.wire().written[1..], [Message::only(Role::Ping(1))]);
        },
    );
    end.assert_timed_out_at(seconds(5 + 4));
}

#[test]
fn any_message_shows_that_the_peer_is_there() {
    let end = connect(
        |connection| connection,
        async |_client: Client<Message>, peer: Peer<Message, Message>| {
            for role in [Role::Pong(1), Role::Push, Role::Call(99)] {
                sleep(seconds(9) - LATE).await;
                peer.send(Message::only(role));
            }
            pending().await
        },
    );
    end.assert_timed_out_at((seconds(9) - LATE) * 3 + seconds(9));
}

#[test]
fn a_peer_that_talks_is_not_asked() {
    let end = connect(
        |connection| connection,
        async |_client: Client<Message>, peer: Peer<Message, Message>| {
            for _ in 0..10 {
                sleep(seconds(5) - LATE).await;
                peer.send(Message::only(Role::Push));
            }
            assert!(peer.wire().written.is_empty());
        },
    );
    end.assert_closed_at((seconds(5) - LATE) * 10);
}

#[test]
fn a_ping_that_cannot_be_written_is_one_without_an_answer() {
    let end = connect(
        |connection| connection.ping(seconds(2), seconds(7)),
        async |_client: Client<Message>, peer: Peer<Message, Message>| {
            peer.wire_mut().room = 0;
            pending().await
        },
    );
    end.assert_timed_out_at(seconds(2 + 7));
}

#[test]
fn pings_can_be_turned_off_and_a_protocol_without_them_has_none() {
    let end = connect(
        |connection| connection.ping(Duration::MAX, seconds(1)),
        async |_client: Client<Message>, _peer| pending().await,
    );
    end.assert_open();
    let end = connect(|connection| connection, async |_client: Client<Message<9, false>>, _peer| pending().await);
    end.assert_open();
}

#[test]
fn dropped_calls_that_hold_all_places_while_others_wait_end_the_connection() {
    let end = connect(
        |connection| connection.max_in_flight(2).stall_timeout(seconds(7)),
        async |client: Client<Message<9, false>>, peer: Peer<Message<9, false>, _>| {
            abandon(&client).await;
            abandon(&client).await;
            // Nobody waits: nothing stalls.
            sleep(seconds(100)).await;
            let error = client.call(Message::request(3)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotSent);
            assert_eq!(peer.wire().written.len(), 2);
        },
    );
    end.assert_timed_out_at(seconds(2 + 100 + 7));
}

#[test]
fn a_call_that_is_waited_for_is_no_stall() {
    let end = connect(
        |connection| connection.max_in_flight(2).stall_timeout(seconds(7)),
        async |client: Client<Message<9, false>>, _peer| {
            abandon(&client).await;
            let calls = futures::future::join(client.call(Message::request(1)), client.call(Message::request(2)));
            // Why ignored: they fail when the connection is dropped, a day later.
            let _ = calls.await;
        },
    );
    end.assert_open();
}

#[test]
fn a_timeout_around_a_client_cancels_the_call_and_leaves_the_connection() {
    let end = connect(
        |connection| connection.ping(Duration::MAX, Duration::MAX),
        async |client: Client<Message>, peer: Peer<Message, Message>| {
            let impatient = client.timeout(seconds(2));
            let error = impatient.call(Message::request(1)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let answers = spawn(async move {
                sleep(seconds(1)).await;
                assert_eq!(peer.wire().written[1..], [Message::only(Role::Cancel(0)), Message::call(1, 2)]);
                peer.send(Message::call(0, 11));
                peer.send(Message::call(1, 12));
            });
            assert_eq!(impatient.call(Message::request(2)).await, Ok(Message::call(1, 12)));
            answers.await.unwrap();
        },
    );
    end.assert_closed_at(seconds(2 + 1));
}

/// Serves a connection whose other end is in the hands of `play`. Calls last as many seconds as their bodies say.
fn serve<D: Future<Output = ()>>(
    server: Server<D>,
    play: impl AsyncFnOnce(Peer<Message, Message>) + 'static,
) -> (End<ServeError<io::Error, io::Error>>, Peer<Message, Message>) {
    in_virtual_time(async {
        let (peer, transport) = mock();
        let other = peer.clone();
        let play = spawn(async move { play(other).await });
        let service = service_fn(async |request: Message| {
            sleep(seconds(request.body.into())).await;
            Ok(request)
        });
        let end = End::of(server.deadlines(DEADLINES).serve(transport, &service)).await;
        see_out(play).await;
        (end, peer)
    })
}

#[test]
fn the_phases_before_and_between_requests_have_the_deadlines_of_a_pipeline() {
    serve(Server::new(), async |_| {}).0.assert_timed_out_at(seconds(2));
    serve(Server::new(), async |peer| peer.send_part()).0.assert_timed_out_at(seconds(3));
    serve(Server::new(), async |peer| peer.send(Message::call(1, 1))).0.assert_closed_at(seconds(1 + 5));
}

#[test]
fn the_oldest_request_has_its_time_however_many_were_answered_after_it() {
    let (end, peer) = serve(Server::new(), async |peer| {
        peer.send(Message::call(0, 1_000));
        for id in 1..10 {
            peer.send(Message::call(id, 0));
            sleep(seconds(1)).await;
        }
    });
    end.assert_timed_out_at(seconds(11));
    assert_eq!(peer.wire().written.len(), 9);
}

#[test]
fn the_next_request_has_its_time_once_it_is_the_oldest() {
    let (end, _) = serve(Server::new(), async |peer| {
        peer.send(Message::call(0, 10));
        peer.send(Message::call(1, 1_000));
    });
    end.assert_timed_out_at(seconds(10 + 11));
}

#[test]
fn a_cancelled_request_is_not_waited_for() {
    let (end, _) = serve(Server::new(), async |peer| {
        peer.send(Message::call(0, 1_000));
        sleep(seconds(1)).await;
        peer.send(Message::only(Role::Cancel(0)));
    });
    end.assert_closed_at(seconds(1 + 5));
}

#[test]
fn a_farewell_that_cannot_be_written_has_the_time_of_closing() {
    let (end, peer) =
        serve(Server::new().drain(async { sleep(seconds(1)).await }), async |peer| peer.wire_mut().room = 0);
    end.assert_timed_out_at(seconds(1 + 11));
    assert!(!peer.wire().closed);
}

#[test]
fn a_decoder_that_gives_up_answers_the_request_that_came_too_late() {
    let (end, peer) = serve(Server::new(), async |peer| {
        peer.wire_mut().substitute = Some(Message::call(4, 4));
        peer.send_part();
    });
    end.assert_closed_at(seconds(3 + 4));
    assert_eq!(peer.wire().written, [Message::call(4, 4)]);
}
