//! Many changes by one call: they come to the same as one by one, whatever they are.
#![cfg(not(loom))]

mod util;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mainspring_sys::{Change, Events, Interest, Mode, OsSelector, Readiness, Selector, Token};
use util::{KQUEUE, expect, expect_nothing, number, random};

const R: Interest = Interest::READABLE;

fn register(fd: BorrowedFd<'_>, token: u64) -> Change<'_> {
    Change::Register { fd, token: Token(token), interest: R, mode: Mode::Level }
}

/// What is ready, and for what.
fn ready(selector: &OsSelector) -> BTreeMap<u64, Readiness> {
    let mut events = Events::with_capacity(64);
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    let mut ready = BTreeMap::new();
    for event in events.iter() {
        *ready.entry(event.token().0).or_insert(Readiness::EMPTY) |= event.readiness();
    }
    ready
}

fn apply(selector: &OsSelector, changes: &[Change<'_>]) -> Vec<(usize, ErrorKind)> {
    let mut refused = Vec::new();
    selector.apply(changes, |place, error| refused.push((place, error.kind())));
    refused
}

#[test]
fn no_change_is_no_call_and_a_hundred_are_all_made() {
    let selector = OsSelector::new().unwrap();
    assert_eq!(apply(&selector, &[]), []);
    let pairs: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
    let changes: Vec<_> = pairs.iter().zip(0..).map(|((ours, _), token)| register(ours.as_fd(), token)).collect();
    assert_eq!(apply(&selector, &changes), []);
    for (token, (_, theirs)) in pairs.iter().enumerate() {
        (&*theirs).write_all(b"x").unwrap();
        assert_eq!(expect(&selector)[0].token(), Token(token as u64));
        apply(&selector, &[Change::Deregister { fd: pairs[token].0.as_fd() }]);
    }
    expect_nothing(&selector);
}

#[test]
fn what_is_refused_is_told_by_its_place_and_keeps_nothing_else_from_being_made() {
    let selector = OsSelector::new().unwrap();
    let pairs: Vec<_> = (0..40).map(|_| UnixStream::pair().unwrap()).collect();
    let mut changes: Vec<_> = pairs.iter().zip(0..).map(|((ours, _), token)| register(ours.as_fd(), token)).collect();
    let (stranger, _) = UnixStream::pair().unwrap();
    for place in [0, 15, 16, 39] {
        changes[place] = Change::Deregister { fd: stranger.as_fd() };
    }
    changes[20] = register(pairs[20].0.as_fd(), Token::WAKER.0);
    let refused = apply(&selector, &changes);
    let absent = |place| (place, ErrorKind::NotFound);
    assert_eq!(refused, [absent(0), absent(15), absent(16), (20, ErrorKind::InvalidInput), absent(39)]);
    pairs.iter().for_each(|(_, theirs)| (&*theirs).write_all(b"x").unwrap());
    assert_eq!(ready(&selector).len(), 35);
}

#[test]
fn changes_of_one_source_keep_their_order() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let fd = ours.as_fd();
    let selector = OsSelector::new().unwrap();
    let reregister = Change::Reregister { fd, token: Token(2), interest: R, mode: Mode::Edge };
    let end = Change::Deregister { fd };
    assert_eq!(apply(&selector, &[register(fd, 1), reregister, end, register(fd, 3), end]), []);
    expect_nothing(&selector);
    assert_eq!(apply(&selector, &[register(fd, 1), end, register(fd, 3), reregister]), []);
    assert_eq!(ready(&selector).into_keys().collect::<Vec<_>>(), [2]);
    expect_nothing(&selector);
}

#[test]
fn a_change_that_a_later_one_replaces_is_not_undone_beside_it() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let fd = ours.as_fd();
    let selector = OsSelector::new().unwrap();
    let refused = apply(&selector, &[register(fd, 1), register(fd, Token::WAKER.0), register(fd, 2)]);
    // epoll refuses the second registration of a descriptor, kqueue takes it for a change.
    let twice = [(1, ErrorKind::InvalidInput), (2, ErrorKind::AlreadyExists)];
    assert_eq!(refused, if KQUEUE { &twice[..1] } else { &twice });
    assert_eq!(ready(&selector).into_keys().collect::<Vec<_>>(), [if KQUEUE { 2 } else { 1 }]);
}

#[test]
fn random_changes_come_to_the_same_as_one_by_one() {
    let (rounds, seed) = (number("APPLY_ROUNDS", 2_000), number("APPLY_SEED", 0x5eed));
    println!("APPLY_ROUNDS={rounds} APPLY_SEED={seed}");
    let mut random = random(seed);
    let pairs: Vec<_> = (0..12).map(|_| UnixStream::pair().unwrap()).collect();
    pairs.iter().step_by(2).for_each(|(_, theirs)| (&*theirs).write_all(b"x").unwrap());
    let (together, apart) = (OsSelector::new().unwrap(), OsSelector::new().unwrap());
    let (mut made, mut refusals) = (0, 0);
    for round in 0..rounds {
        let changes: Vec<_> = (0..random(40))
            .map(|_| {
                let fd = pairs[random(pairs.len())].0.as_fd();
                let token = [Token(random(100) as u64), Token::WAKER][usize::from(random(20) == 0)];
                let interest = [R, Interest::WRITABLE, R | Interest::WRITABLE][random(3)];
                let mode = [Mode::Level, Mode::Edge, Mode::Oneshot][random(3)];
                match random(3) {
                    0 => Change::Register { fd, token, interest, mode },
                    1 => Change::Reregister { fd, token, interest, mode },
                    _ => Change::Deregister { fd },
                }
            })
            .collect();
        let refused = apply(&together, &changes);
        let singly: Vec<_> = changes
            .iter()
            .enumerate()
            .filter_map(|(place, change)| Some((place, apply(&apart, &[*change]).first()?.1)))
            .collect();
        assert_eq!(refused, singly, "round {round}: {changes:?}");
        assert_eq!(ready(&together), ready(&apart), "round {round}: {changes:?}");
        made += changes.len() - refused.len();
        refusals += refused.len();
    }
    assert!(made > 0 && refusals > 0, "{made} made, {refusals} refused");
}
