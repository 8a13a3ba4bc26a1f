//! Events of sources that are closed and opened again before the event is looked at.
//!
//! Whoever handles a batch may close any source while later events of the same batch name it, and the next source takes
//! its descriptor number and its place in the table at once. What tells the two apart is a generation in the token.
//! Here a table does what the reactor's does: every event that passes its check must find exactly the byte that was
//! sent to that generation, and every event that does not must be one of a source that was closed.
//!
//! `STALE_ROUNDS` sets the number of rounds, `STALE_SEED` repeats a run.
#![cfg(not(loom))]

mod util;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token};
use util::{LIMIT, number};

/// Sources at one time: several of them are ready in each batch.
const SLOTS: usize = 8;

/// Duplicates of closed sources that stay open for a while, so that events go on to come for them (epoll).
const DUPLICATES: usize = 4;

struct Source {
    generation: u32,
    ours: UnixStream,
    theirs: UnixStream,
    /// What was sent to this generation and not read yet.
    sent: Option<u8>,
}

struct Table {
    selector: OsSelector,
    slots: Vec<Source>,
    generation: u32,
    /// Tokens of sources that are closed.
    closed: HashSet<u64>,
    duplicates: Vec<(UnixStream, UnixStream)>,
}

fn token(slot: usize, generation: u32) -> Token {
    Token(u64::from(generation) << 32 | slot as u64)
}

impl Table {
    fn new() -> Self {
        let selector = OsSelector::new().unwrap();
        let mut table = Self { selector, slots: vec![], generation: 0, closed: HashSet::new(), duplicates: vec![] };
        for slot in 0..SLOTS {
            let source = table.open(slot);
            table.slots.push(source);
        }
        table
    }

    fn open(&mut self, slot: usize) -> Source {
        self.generation += 1;
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let token = token(slot, self.generation);
        self.selector.register(ours.as_fd(), token, Interest::READABLE, Mode::Edge).unwrap();
        Source { generation: self.generation, ours, theirs, sent: None }
    }

    /// Closes a source and opens another in its place. Sometimes a duplicate stays open, and gets a byte.
    fn reopen(&mut self, slot: usize, duplicate: bool) {
        let before = self.slots.remove(slot);
        self.closed.insert(token(slot, before.generation).0);
        if duplicate {
            (&before.theirs).write_all(b"?").unwrap();
            self.duplicates.push((before.ours.try_clone().unwrap(), before.theirs));
            if self.duplicates.len() > DUPLICATES {
                self.duplicates.remove(0);
            }
        }
        // Before the next one is made, so that this can have its number.
        drop(before.ours);
        let source = self.open(slot);
        self.slots.insert(slot, source);
    }

    fn send(&mut self, slot: usize, byte: u8) {
        let source = &mut self.slots[slot];
        if source.sent.is_none() {
            source.theirs.write_all(&[byte]).unwrap();
            source.sent = Some(byte);
        }
    }
}

#[test]
fn no_event_of_a_closed_source_is_taken_for_one_of_its_successor() {
    let (rounds, seed) = (number("STALE_ROUNDS", 10_000), number("STALE_SEED", 0x5eed));
    println!("STALE_ROUNDS={rounds} STALE_SEED={seed}");
    let mut random = util::random(seed);
    let mut table = Table::new();
    let mut events = Events::with_capacity(2 * SLOTS);
    let (mut delivered, mut stale) = (0_u64, 0_u64);
    for round in 0..rounds {
        for _ in 0..1 + random(SLOTS) {
            table.send(random(SLOTS), random(256) as u8);
        }
        // One is ready at least, or an event of it is on its way: nobody reads but here.
        table.selector.select(&mut events, Some(LIMIT)).unwrap();
        assert!(!events.is_empty(), "round {round}: no event");
        for event in events.iter() {
            let (slot, generation) = (event.token().0 as u32 as usize, (event.token().0 >> 32) as u32);
            let source = &mut table.slots[slot];
            if source.generation != generation {
                assert!(table.closed.contains(&event.token().0), "round {round}: {event:?} was never registered");
                stale += 1;
                continue;
            }
            let mut byte = [0];
            let sent = source.sent.take();
            assert_eq!(source.ours.read(&mut byte).ok(), sent.map(|_| 1), "round {round}: {event:?}");
            assert_eq!(Some(byte[0]), sent, "round {round}: {event:?}");
            delivered += 1;
            if random(2) == 0 {
                table.reopen(random(SLOTS), random(8) == 0);
            }
        }
        // What is as old as this cannot come any more.
        if table.closed.len() > 100_000 {
            let oldest = table.generation - 50_000;
            table.closed.retain(|token| (token >> 32) as u32 > oldest);
        }
    }
    // Nothing that was sent is lost: what is left comes now.
    while table.slots.iter().any(|source| source.sent.is_some()) {
        table.selector.select(&mut events, Some(LIMIT)).unwrap();
        assert!(!events.is_empty(), "a byte was sent and no event came");
        for event in events.iter() {
            let source = &mut table.slots[event.token().0 as u32 as usize];
            if u64::from(source.generation) == event.token().0 >> 32 {
                source.sent = None;
            }
        }
    }
    println!(
        "{delivered} events delivered, {stale} stale ones of {} closed sources",
        table.generation as usize - SLOTS
    );
    assert!(stale > rounds / 100, "{stale} stale events in {rounds} rounds: too few to mean something");
    assert!(delivered > rounds / 2, "{delivered} events in {rounds} rounds");
}
