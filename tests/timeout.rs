//! The timeout filter through the public API: on a service, in a stack, at the limits of a duration.
#![cfg(feature = "service")]
use std::future::pending;
use std::io;
use std::time::Duration;

fn block_on<F: Future>(future: F) -> F::Output {
    mainspring::run(future).unwrap()
}
use mainspring::service::{Service, ServiceExt, Status, service_fn};
use mainspring::time::{Sleep, sleep};

#[test]
fn a_call_that_takes_too_long_fails_with_the_converted_error() {
    let service = service_fn(async |_: u32| pending::<io::Result<u32>>().await).timeout(Duration::from_millis(1));
    let error = block_on(service.call(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_duration_of_zero_gives_a_call_one_poll() {
    let at_once = service_fn(async |n: u32| Ok::<_, io::Error>(n)).timeout(Duration::ZERO);
    assert_eq!(block_on(at_once.call(7)).unwrap(), 7);
    let later = service_fn(async |_: u32| pending::<io::Result<u32>>().await).timeout(Duration::ZERO);
    assert!(block_on(later.call(7)).is_err());
}

#[test]
fn the_longest_duration_is_no_bound() {
    let service = service_fn(async |n: u32| {
        sleep(Duration::from_millis(1)).await;
        Ok::<_, io::Error>(n)
    })
    .timeout(Duration::MAX);
    assert_eq!(block_on(service.call(7)).unwrap(), 7);
}

#[test]
fn a_stack_of_three_timeouts_is_the_call_and_three_sleeps() {
    let leaf = service_fn(async |request: [u8; 512]| {
        pending::<()>().await;
        Ok::<_, io::Error>(request[0])
    });
    let inner = size_of_val(&leaf.call([0; 512]));
    let stack = leaf.timeout(Duration::from_secs(1)).timeout(Duration::from_secs(2)).timeout(Duration::from_secs(3));
    let expected = inner.next_multiple_of(align_of::<Sleep>()) + 3 * size_of::<Sleep>();
    assert_eq!(size_of_val(&stack.call([0; 512])), expected);
    assert_eq!(stack.status(), Status::Open);
}
