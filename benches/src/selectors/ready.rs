//! A select that finds so many of so many sources ready.
//!
//! Only the select is timed, with the look at each event, and what the library wants to be asked before the next one;
//! the writes that make the sources ready and the reads that take it away are not. Which sources are ready changes from
//! one select to the next, so that each finds its own part of the memory cold, as in a server.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::streams::Streams;

/// From one ready source to the next: a prime, so that all have their turn.
const STRIDE: usize = 7919;

/// Selects until `events` events were found, `ready` at a time, and says how long these selects took.
///
/// There is room for `ready` events. The timeout is `None`, as the documentation of all writes it.
pub(super) fn run<P: Peer>(ready: usize, of: usize, events: usize) -> io::Result<Duration> {
    let mut peer = P::new(ready)?;
    let streams = Streams::register(&mut peer, of)?;
    let mut elapsed = Duration::ZERO;
    for nth in 0..events / ready {
        let tokens = (0..ready).map(|place| (nth * ready + place) * STRIDE % of);
        apart(tokens.clone(), |token| streams.write(token))?;
        elapsed += select(&mut peer, ready, of)?;
        apart(tokens.clone(), |token| streams.read(token))?;
        if P::REARMS {
            let start = Instant::now();
            apart(tokens, |token| streams.rearm(&mut peer, token))?;
            elapsed += start.elapsed();
        }
    }
    streams.deregister(&mut peer)?;
    Ok(elapsed)
}

/// One select that finds `ready` sources.
#[inline(never)]
fn select<P: Peer>(peer: &mut P, ready: usize, of: usize) -> io::Result<Duration> {
    let mut found = 0;
    let start = Instant::now();
    // Why black boxes: each event is looked at, as where something is done about it. Without them the compiler counts
    // four events in one instruction, of those libraries that do not skip any.
    peer.select(None, |token, readable| found += usize::from(black_box(readable) && black_box(token) < of))?;
    let elapsed = start.elapsed();
    if found == ready {
        Ok(elapsed)
    } else {
        Err(io::Error::other(format!("found {found} sources ready, and {ready} are")))
    }
}

/// Does something with each token, in a function of its own: so that it is the same code with every selector, and costs
/// the same.
#[inline(never)]
fn apart(mut tokens: impl Iterator<Item = usize>, what: impl FnMut(usize) -> io::Result<()>) -> io::Result<()> {
    tokens.try_for_each(what)
}
