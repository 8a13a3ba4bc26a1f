//! For tests that poll by hand what has deadlines.

use mainspring::Reactor;
use mainspring::time::Clock;

/// Runs `body` inside a reactor whose clock stands still.
pub(crate) fn in_virtual_time(body: impl FnOnce()) {
    let reactor = Reactor::builder().clock(Clock::manual()).build().unwrap();
    reactor.block_on(async { body() }).unwrap();
}
