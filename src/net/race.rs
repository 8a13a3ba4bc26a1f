//! Connecting to a host that has several addresses, of which some may not answer: Happy Eyeballs (RFC 8305).
//!
//! The addresses are tried in the resolver's order, the families in turn (§4), each 250 ms after the one before or as
//! soon as that one has failed (§5). The first connection that stands wins, and the sockets of the others are closed.
//! So a host whose IPv6 is broken costs a quarter of a second, where trying one after the other costs the minutes until
//! the system gives an attempt up.
//!
//! All attempts are polled by one future, which wakes for any of them. The lookup asks for both families at once, in
//! the system's resolver; to start while one answer is still missing (§3) would need a resolver of our own.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::connect::Connecting;
use super::connect_options::ConnectOptions;
use super::tcp_stream::TcpStream;
use crate::sentence::sentence;
use crate::time::{Sleep, sleep};

/// How long an attempt is alone before the next one starts: the "Connection Attempt Delay" that RFC 8305 §8 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Attempts that may be under way at once, in items: two families of a few hosts each, all silent. Beyond that, one has
/// to fail before the next starts, so that a name with hundreds of addresses does not take as many descriptors.
const ATTEMPTS_MAX: usize = 8;

/// Attempts to connect to any of several addresses; a future of the first connection, or of the last error.
pub(super) struct Race {
    /// What each attempt is made with.
    options: ConnectOptions,
    /// Addresses that were not tried, in order.
    untried: VecDeque<SocketAddr>,
    /// Attempts that are under way, in order.
    attempts: Vec<Connecting>,
    /// Ends when the next attempt is to start; none if an attempt is to start at once, or none is left to start.
    delay: Option<Sleep>,
    /// Why the last attempt that has ended failed.
    last: Option<io::Error>,
}

impl Race {
    pub(super) fn new(options: ConnectOptions, addresses: Vec<SocketAddr>) -> Self {
        Self { options, untried: interleave(addresses), attempts: Vec::new(), delay: None, last: None }
    }

    /// Polls the attempts, and takes out those that have failed.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<TcpStream> {
        let mut index = 0;
        while let Some(attempt) = self.attempts.get_mut(index) {
            match Pin::new(attempt).poll(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(stream)) => return Some(stream),
                Poll::Ready(Err(error)) => {
                    drop(self.attempts.remove(index));
                    self.failed(error);
                }
            }
        }
        None
    }

    /// An attempt has failed: the next one starts at once.
    fn failed(&mut self, error: io::Error) {
        self.last = Some(error);
        self.delay = None;
    }

    /// Whether another attempt is to start now.
    fn poll_start(&mut self, cx: &mut Context<'_>) -> bool {
        if self.untried.is_empty() || self.attempts.len() >= ATTEMPTS_MAX {
            self.delay = None;
            return false;
        }
        self.delay.as_mut().is_none_or(|delay| delay.poll_elapsed(cx).is_ready())
    }
}

impl Future for Race {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // At most twice as often as there are addresses: each turn starts an attempt, or ends the poll.
        loop {
            if let Some(stream) = this.poll_attempts(cx) {
                this.attempts.clear();
                return Poll::Ready(Ok(stream));
            }
            if !this.poll_start(cx) {
                break;
            }
            let Some(address) = this.untried.pop_front() else { break };
            match Connecting::start(&this.options, &address) {
                Ok(attempt) => {
                    this.attempts.push(attempt);
                    this.delay = (!this.untried.is_empty()).then(|| sleep(ATTEMPT_DELAY));
                }
                Err(error) => this.failed(error),
            }
        }
        if !this.attempts.is_empty() {
            return Poll::Pending;
        }
        let no_address = || sentence(io::ErrorKind::InvalidInput, "no address to connect to");
        Poll::Ready(Err(this.last.take().unwrap_or_else(no_address)))
    }
}

/// The addresses with their families in turn, that of the first one first; within a family their order stays.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let mut in_turn = VecDeque::with_capacity(addresses.len());
    let (first, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut first, mut other) = (first.into_iter(), other.into_iter());
    loop {
        match (first.next(), other.next()) {
            (None, None) => return in_turn,
            (one, another) => in_turn.extend(one.into_iter().chain(another)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns_and_keep_their_order() {
        let addresses = |text: &str| -> Vec<SocketAddr> {
            text.split_whitespace()
                .map(|word| match word.strip_prefix('v') {
                    Some(six) => format!("[::{six}]:1").parse().unwrap(),
                    None => format!("127.0.0.{word}:1").parse().unwrap(),
                })
                .collect()
        };
        for (given, expected) in [
            ("", ""),
            ("1", "1"),
            ("1 2 3", "1 2 3"),
            ("1 2 3 v1", "1 v1 2 3"),
            ("v1 v2 v3 1 2", "v1 1 v2 2 v3"),
            ("1 v1 v2 v3 v4", "1 v1 v2 v3 v4"),
            ("v1 1 2 3", "v1 1 2 3"),
        ] {
            assert_eq!(interleave(addresses(given)), addresses(expected), "{given}");
        }
    }
}
