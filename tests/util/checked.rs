//! A reactor for one test: nothing may hang, and no wait may be left behind.
use std::future::Future;
use std::time::Duration;

use mainspring::Reactor;
use mainspring::time::timeout;

/// Far longer than any test takes, also where a second of work takes half a minute.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// Runs `test` to its end, on a reactor of its own.
pub(crate) fn checked<T>(test: impl Future<Output = T>) -> T {
    let reactor = Reactor::new().unwrap();
    let output = reactor.block_on(timeout(HANGS_AFTER, test)).unwrap();
    let output = output.expect("the test hangs: a wake-up was lost");
    assert_eq!(reactor.stats().waits, 0, "a wait was left behind");
    output
}
