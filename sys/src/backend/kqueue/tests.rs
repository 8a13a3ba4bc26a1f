//! The waker of a kernel that has no user notes.

use super::*;

/// No kernel has a filter of this number: the answer is that of one without user notes.
const NO_FILTER: Filter = 100;

fn selector_with_a_pipe() -> OsSelector {
    let alarm = Alarm::new(NO_FILTER).unwrap();
    assert!(alarm.pipe.is_some());
    OsSelector { waker: Waker::new(alarm) }
}

#[test]
fn a_kernel_without_user_notes_wakes_through_a_pipe() {
    let (ours, theirs) = (selector_with_a_pipe(), selector_with_a_pipe());
    let await_token = |selector: &OsSelector| {
        let mut events = Events::with_capacity(8);
        while !selector.waker.take() {
            selector.select(&mut events, None).unwrap();
            assert!(events.is_empty());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2_000 {
                await_token(&theirs);
                ours.waker.wake();
            }
        });
        for _ in 0..2_000 {
            theirs.waker.wake();
            await_token(&ours);
        }
    });
}

#[test]
fn a_pipe_that_is_full_still_wakes() {
    let selector = selector_with_a_pipe();
    let mut events = Events::with_capacity(8);
    // More than any pipe holds, and looked at now and then.
    for round in 0..100 {
        for _ in 0..1_000 {
            selector.waker.alarm().ring().unwrap();
        }
        super::wait(selector.kqueue(), events.records(), Timeout::ZERO).unwrap();
        assert_eq!(events.records().len(), 1, "round {round}");
    }
}

#[test]
fn a_change_that_was_refused_is_undone_unless_a_later_one_has_replaced_it() {
    let selector = OsSelector::new().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    (&theirs).write_all(b"x").unwrap();
    let (fd, token, interest, mode) = (ours.as_fd(), Token(1), Interest::READABLE, Mode::Level);
    let refused = Change::Register { fd, token, interest, mode };
    let other = Change::Register { fd: theirs.as_fd(), token, interest, mode };
    let mut events = Events::with_capacity(8);
    let mut count = || {
        selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        events.len()
    };
    selector.register(fd, token, interest, mode).unwrap();
    selector.undo(&refused, &[other, refused]);
    assert_eq!(count(), 1);
    selector.undo(&refused, &[other]);
    assert_eq!(count(), 0);
}
