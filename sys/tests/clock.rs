//! The system's clock and the virtual ones.

use std::time::{Duration, Instant};

use mainspring_sys::Clock;

#[test]
fn the_systems_clock_never_goes_back_and_keeps_time() {
    let clock = Clock::default();
    let (began, start) = (Instant::now(), clock.now());
    let mut last = start;
    for _ in 0..100_000 {
        let now = clock.now();
        assert!(now >= last);
        last = now;
    }
    // Read inside the other clock's two readings, it has not gone on for longer than they say.
    assert!(Duration::from_nanos(last - start) <= began.elapsed() + Duration::from_millis(1));
    assert!(!clock.is_virtual() && !clock.is_auto());
}

#[test]
fn the_systems_clock_cannot_be_moved() {
    let clock = Clock::os();
    assert_eq!(clock.advance(Duration::ZERO).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(clock.advance_to(u64::MAX).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
}

#[test]
fn a_virtual_clock_starts_at_an_hour_and_moves_only_when_told() {
    let clock = Clock::manual();
    assert_eq!(clock.now(), 3_600_000_000_000);
    assert_eq!(clock.now(), 3_600_000_000_000);
    clock.advance(Duration::from_nanos(7)).unwrap();
    assert_eq!(clock.now(), 3_600_000_000_007);
}

#[test]
fn clones_of_a_virtual_clock_share_its_time() {
    let clock = Clock::auto();
    let other = clock.clone();
    other.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(clock.now(), 3_601_000_000_000);
}

#[test]
fn only_an_auto_clock_is_auto() {
    assert!(Clock::auto().is_auto() && Clock::auto().is_virtual());
    assert!(!Clock::manual().is_auto() && Clock::manual().is_virtual());
}

#[test]
fn a_virtual_clock_never_goes_back_and_saturates() {
    let clock = Clock::manual();
    let start = clock.now();
    clock.advance_to(start - 1).unwrap();
    assert_eq!(clock.now(), start);
    clock.advance_to(start + 5).unwrap();
    assert_eq!(clock.now(), start + 5);
    clock.advance(Duration::MAX).unwrap();
    assert_eq!(clock.now(), u64::MAX);
    clock.advance(Duration::from_nanos(1)).unwrap();
    assert_eq!(clock.now(), u64::MAX);
}
