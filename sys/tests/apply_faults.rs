//! How many calls a list of changes makes, and what a call that fails means for each of them: `--cfg
//! mainspring_faults`.
#![cfg(mainspring_faults)]

mod util;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use mainspring_sys::faults::{Call, Fault, Plan};
use mainspring_sys::{Change, Interest, Mode, OsSelector, Selector, Token};
use util::{KQUEUE, expect_nothing};

/// How many changes one call makes.
const BATCH: u64 = 16;

/// So many sources, all registered by one list under a plan; the places that were refused, and with which code.
fn register(count: usize, plan: &Plan) -> (Vec<(usize, Option<i32>)>, [u64; 2]) {
    let selector = OsSelector::new().unwrap();
    let pairs: Vec<_> = (0..count).map(|_| UnixStream::pair().unwrap()).collect();
    let (token, interest, mode) = (Token(1), Interest::READABLE, Mode::Level);
    let changes = pairs.iter().map(|(ours, _)| Change::Register { fd: ours.as_fd(), token, interest, mode });
    let before = [Call::Apply, Call::Register].map(|call| plan.calls(call));
    let mut refused = Vec::new();
    selector.apply(&changes.collect::<Vec<_>>(), |place, error| refused.push((place, error.raw_os_error())));
    let after = [Call::Apply, Call::Register].map(|call| plan.calls(call));
    expect_nothing(&selector);
    (refused, [after[0] - before[0], after[1] - before[1]])
}

#[test]
fn kqueue_makes_sixteen_changes_by_a_call_and_epoll_one() {
    for count in [1, 15, 16, 17, 100] {
        let plan = Plan::new([]);
        let (refused, calls) = register(count, &plan);
        assert_eq!(refused, []);
        let count = count as u64;
        assert_eq!(calls, if KQUEUE { [count.div_ceil(BATCH), 0] } else { [0, count] });
    }
}

#[test]
fn a_call_that_fails_is_told_for_each_of_its_changes() {
    let call = if KQUEUE { Call::Apply } else { Call::Register };
    // What makes a selector registers its eventfd.
    let plan = Plan::new([Fault::fail(call, libc::ENOMEM).nth(if KQUEUE { 2 } else { 18 })]);
    let (refused, _) = register(40, &plan);
    assert_eq!(plan.hits(), [1]);
    let places = if KQUEUE { 16..32 } else { 16..17 };
    assert_eq!(refused, places.map(|place| (place, Some(libc::ENOMEM))).collect::<Vec<_>>());
}
