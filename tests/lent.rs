//! A transport that is lent by `&mut` is asked everything that it would be asked itself, also what the trait has an
//! answer for.
#![cfg(feature = "service")]

use std::io;
use std::task::{Context, Poll, Waker};

use mainspring::proto::{Bodies, Transport};

/// Answers none of the questions as the trait does, and remembers the others.
#[derive(Default)]
struct Asked(Vec<&'static str>);

impl Transport<u32> for Asked {
    type Incoming = u32;
    type Error = io::Error;

    fn poll_receive(&mut self, _: &mut Context<'_>) -> Poll<Option<io::Result<u32>>> {
        Poll::Ready(Some(Ok(1)))
    }

    fn receive_buffered(&mut self) -> Option<io::Result<u32>> {
        Some(Ok(2))
    }

    fn has_partial(&self) -> bool {
        true
    }

    fn give_up(&mut self) -> Option<u32> {
        Some(3)
    }

    fn poll_bodies(&mut self, _: &mut Context<'_>) {
        self.0.push("bodies");
    }

    fn bodies(&self) -> Bodies {
        Bodies { moved: 4, ..Bodies::default() }
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.push("ready");
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, _: u32) -> io::Result<()> {
        self.0.push("send");
        Ok(())
    }

    fn before_last(&mut self) {
        self.0.push("before last");
    }

    fn is_last(&self) -> bool {
        true
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.push("flush");
        Poll::Ready(Ok(()))
    }

    fn unwritten(&self) -> usize {
        5
    }

    fn written(&self) -> u64 {
        6
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.push("close");
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.0.push("linger");
        Poll::Ready(())
    }
}

/// Uses it as a client or a server does, by value.
fn ask(mut transport: impl Transport<u32, Incoming = u32, Error = io::Error>) {
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(matches!(transport.poll_receive(cx), Poll::Ready(Some(Ok(1)))));
    assert!(matches!(transport.receive_buffered(), Some(Ok(2))));
    assert!(transport.has_partial() && transport.is_last());
    assert_eq!((transport.give_up(), transport.bodies().moved), (Some(3), 4));
    assert_eq!((transport.unwritten(), transport.written()), (5, 6));
    transport.poll_bodies(cx);
    assert!(transport.poll_ready(cx).is_ready());
    transport.before_last();
    transport.send(0).unwrap();
    assert!(transport.poll_flush(cx).is_ready() && transport.poll_close(cx).is_ready());
    assert!(transport.poll_linger(cx).is_ready());
}

#[test]
fn it_is_asked_everything() {
    let mut asked = Asked::default();
    ask(&mut asked);
    assert_eq!(asked.0, ["bodies", "ready", "before last", "send", "flush", "close", "linger"]);
}
