//! How the service ends: asked by SIGTERM or Ctrl-C, after what is in flight.

use super::peer::Peer;
use super::program::{AT_ONCE, Program};

/// A connection that has a slow request in flight, for sure: the one that was sent with it has been answered.
fn in_flight(program: &Program, ms: u32) -> Peer {
    let mut peer = Peer::connect(program);
    peer.send(format!("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\nGET /slow?ms={ms} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(peer.answer().status(), 200);
    peer
}

#[test]
fn a_request_in_flight_is_answered() {
    for (signal, threads) in [("TERM", "1"), ("INT", "1"), ("TERM", "2")] {
        let program = Program::start(&["--threads", threads]);
        let mut peer = in_flight(&program, 1_000);
        program.signal(signal);
        let answer = peer.answer();
        assert_eq!((answer.status(), &*answer.body), (200, b"at last\n".as_slice()));
        assert_eq!(answer.field("Connection"), Some("close"));
        peer.expect_end();
        let (status, said, _) = program.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert_eq!(said, "stopped: 1 connections served, 1 of them finished while stopping, 0 cut off");
    }
}

#[test]
fn all_requests_that_have_come_are_answered_and_the_last_answer_says_close() {
    // More than are in flight at a time, so that some still wait.
    const WAITING: usize = 100;
    let program = Program::start(&[]);
    let mut peer = in_flight(&program, 1_000);
    let requests = "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n".repeat(WAITING - 1);
    // This one asks to be kept alive, and HTTP/1.0 wants that to be granted.
    peer.send(format!("{requests}GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    program.signal("TERM");
    let slow = peer.answer();
    assert_eq!((slow.status(), slow.field("Connection")), (200, None));
    for number in 1..=WAITING {
        let answer = peer.answer();
        assert_eq!((answer.status(), &*answer.body), (200, b"Hello, World!".as_slice()), "{number}");
        assert_eq!(answer.field("Connection"), (number == WAITING).then_some("close"), "{number}");
    }
    peer.expect_end();
    assert_eq!(program.end().0.code(), Some(0));
}

#[test]
fn a_service_that_was_started_with_ctrl_c_ignored_hears_it() {
    let program = Program::start_ignoring_ctrl_c(&[]);
    program.signal("INT");
    let (status, said, took) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(took < AT_ONCE, "it took {took:?}");
}

#[test]
fn idle_connections_hold_nothing_up() {
    for threads in ["1", "2"] {
        let program = Program::start(&["--threads", threads]);
        let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(&program)).collect();
        // The last ones have sent nothing at all.
        for peer in peers.iter_mut().take(10) {
            peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(peer.answer().status(), 200);
        }
        program.signal("TERM");
        let (status, said, took) = program.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(took < AT_ONCE, "it took {took:?}");
        peers.iter_mut().for_each(Peer::expect_end);
    }
}

#[test]
fn a_peer_that_was_refused_and_stays_holds_nothing_up() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send("nonsense\r\n\r\n");
    assert_eq!(peer.answer().status(), 400);
    peer.expect_end();
    program.signal("TERM");
    let (status, said, took) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(took < AT_ONCE, "it took {took:?}");
}

#[test]
fn a_request_that_has_begun_to_arrive_is_answered() {
    let program = Program::start(&[]);
    let mut peer = in_flight(&program, 300);
    peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
    let answer = peer.answer();
    assert_eq!((&*answer.body, answer.field("Connection")), (b"at last\n".as_slice(), None));
    program.signal("TERM");
    program.wait_for("stopping on SIGTERM");
    peer.send("llo");
    let answer = peer.answer();
    assert_eq!((&*answer.body, answer.field("Connection")), (b"hello".as_slice(), Some("close")));
    peer.expect_end();
    assert_eq!(program.end().0.code(), Some(0));
}

#[test]
fn a_request_that_asks_in_the_drain_whether_to_go_on_is_answered() {
    let program = Program::start(&[]);
    let mut peer = in_flight(&program, 300);
    peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-conti");
    assert_eq!(&*peer.answer().body, b"at last\n");
    program.signal("TERM");
    program.wait_for("stopping on SIGTERM");
    peer.send("nue\r\n\r\n");
    assert_eq!(peer.answer().status(), 100);
    peer.send("hello");
    let answer = peer.answer();
    assert_eq!((&*answer.body, answer.field("Connection")), (b"hello".as_slice(), Some("close")));
    peer.expect_end();
    assert_eq!(program.end().0.code(), Some(0));
}

#[test]
fn what_takes_longer_than_the_drain_is_cut_off() {
    let program = Program::start(&["--drain", "200ms", "--timeout", "60s"]);
    let mut peer = in_flight(&program, 50_000);
    program.signal("TERM");
    let (status, said, _) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said, "stopped: 1 connections served, 0 of them finished while stopping, 1 cut off");
    peer.expect_end();
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let program = Program::start(&["--timeout", "60s"]);
    let _peer = in_flight(&program, 50_000);
    program.signal("INT");
    program.wait_for("stopping on Ctrl-C");
    program.signal("INT");
    let (status, said, took) = program.end();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(took < AT_ONCE, "it took {took:?}");
}
