//! libevent's benchmark: bytes that travel along a chain of sources.
//!
//! So many bytes are under way at a time; a source that is readable is read, and a byte is written to the next one,
//! until so many were written. All of it is timed, reads and writes too, as libevent does it (`test/bench.c`): this is
//! what a selector costs beside what it is there for. Few bytes among many sources are a server whose connections
//! mostly idle.

use std::io;
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::streams::Streams;

/// Events per select.
const EVENTS: usize = 1024;

/// Passes bytes on until `events` have arrived, `active` of them under way at a time, and says how long that took.
pub(super) fn run<P: Peer>(sources: usize, active: usize, events: usize) -> io::Result<Duration> {
    let mut peer = P::new(EVENTS)?;
    let streams = Streams::register(&mut peer, sources)?;
    let active = active.min(events);
    let mut readable = Vec::with_capacity(EVENTS);
    let start = Instant::now();
    for nth in 0..active {
        streams.write(nth * sources / active)?;
    }
    let mut unwritten = events - active;
    let mut unread = events;
    while unread > 0 {
        peer.select(None, |token, is_readable| {
            if is_readable {
                readable.push(token);
            }
        })?;
        for token in readable.drain(..) {
            streams.read(token)?;
            unread -= 1;
            if unwritten > 0 {
                unwritten -= 1;
                streams.write((token + 1) % sources)?;
            }
            streams.rearm(&mut peer, token)?;
        }
    }
    let elapsed = start.elapsed();
    streams.deregister(&mut peer)?;
    Ok(elapsed)
}
