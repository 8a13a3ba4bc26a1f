//! What a call costs that answers at once: no allocation in any filter that says so, and as much memory as its own
//! state.
#![cfg(feature = "service")]
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::pending;
use std::hint::black_box;
use std::io;
use std::time::Duration;

use mainspring::service::balance::{Balance, Endpoints};
use mainspring::service::{
    AdaptiveLimit, ConcurrencyLimit, Deadline, FailFast, FailureAccrual, Hedge, LoadShed, RateLimit, Retry, Service,
    ServiceBuilder, ServiceExt, Shield, Statistics, Timeout, service_fn,
};
use mainspring::testing;
use mainspring::time::Clock;

thread_local! {
    /// Allocations of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct CountingAllocator;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const LONG: Duration = Duration::from_secs(30);

/// Calls made before it is counted, and while it is.
const CALLS: u64 = 1_000;

/// Allocations of `CALLS` calls, after as many that fill what is kept.
async fn allocations(service: impl Service<u64, Response = u64, Error = io::Error>) -> u64 {
    for n in 0..CALLS {
        service.call(black_box(n)).await.unwrap();
    }
    let before = ALLOCATIONS.get();
    for n in 0..CALLS {
        service.call(black_box(n)).await.unwrap();
    }
    ALLOCATIONS.get() - before
}

#[test]
fn a_call_that_answers_at_once_allocates_in_no_filter_but_those_that_box() {
    let leaf = || service_fn(async |n: u64| io::Result::Ok(n + 1));
    // On the system's clock: a virtual one has a lock, and costs no allocation either.
    testing::Test::new().clock(Clock::os()).run(async {
        assert_eq!(allocations(leaf().filter(Timeout::new(LONG))).await, 0);
        assert_eq!(allocations(leaf().filter(Deadline::within(LONG))).await, 0);
        assert_eq!(allocations(leaf().filter(ConcurrencyLimit::new(1))).await, 0);
        assert_eq!(allocations(leaf().filter(AdaptiveLimit::new())).await, 0);
        assert_eq!(allocations(leaf().filter(RateLimit::new(u32::MAX, Duration::from_secs(1)))).await, 0);
        assert_eq!(allocations(leaf().filter(LoadShed)).await, 0);
        assert_eq!(allocations(leaf().filter(Retry::new())).await, 0);
        assert_eq!(allocations(leaf().filter(Hedge::new())).await, 0);
        assert_eq!(allocations(leaf().filter(FailureAccrual::new())).await, 0);
        assert_eq!(allocations(leaf().filter(FailFast::new())).await, 0);
        assert_eq!(allocations(leaf().filter(Statistics::new())).await, 0);
        let endpoints = || (0..10).map(|n| (n, leaf())).collect::<Endpoints<u32, _>>();
        assert_eq!(allocations(Balance::new(endpoints())).await, 0);
        assert_eq!(allocations(Balance::round_robin(endpoints())).await, 0);
        // What boxes is seen to.
        assert_eq!(allocations(leaf().boxed()).await, CALLS);
        assert_eq!(allocations(leaf().boxed().filter(Shield::new())).await, 2 * CALLS);
    });
}

/// What a filter adds to the future of a call.
macro_rules! added {
    ($filter:expr) => {{
        let leaf = service_fn(async |request: [u8; 512]| {
            pending::<()>().await;
            io::Result::Ok(request[0])
        });
        let inner = size_of_val(&leaf.call([0; 512])).next_multiple_of(size_of::<usize>());
        let service = (&leaf).filter($filter);
        size_of_val(&service.call([0; 512])) - inner
    }};
}

#[test]
fn a_filter_adds_its_own_state_to_a_call_and_no_second_request() {
    testing::run(async {
        const WORD: usize = size_of::<usize>();
        let added = [
            ("Timeout", added!(Timeout::new(LONG)), 3),
            ("Deadline", added!(Deadline::within(LONG)), 5),
            ("ConcurrencyLimit", added!(ConcurrencyLimit::new(1)), 7),
            ("AdaptiveLimit", added!(AdaptiveLimit::new()), 4),
            ("RateLimit", added!(RateLimit::new(1, LONG)), 8),
            ("LoadShed", added!(LoadShed), 1),
            ("FailureAccrual", added!(FailureAccrual::new()), 4),
            ("FailFast", added!(FailFast::new()), 4),
            ("Statistics", added!(Statistics::new()), 3),
            // These keep the request, to call again.
            ("Retry", added!(Retry::new()), 512 / WORD + 3),
            ("Hedge", added!(Hedge::new()), 512 / WORD + 9),
        ];
        for (name, bytes, words) in added {
            println!("{name}: {bytes} bytes, {} words", bytes / WORD);
            assert!(bytes <= words * WORD, "{name} adds {bytes} bytes, in place of {words} words");
        }
    });
}

#[test]
fn a_stack_of_six_that_decide_is_the_call_and_their_state_and_allocates_nothing() {
    testing::Test::new().clock(Clock::os()).run(async {
        let stack = ServiceBuilder::new()
            .filter(Statistics::new())
            .timeout(LONG)
            .filter(ConcurrencyLimit::new(100))
            .filter(LoadShed)
            .filter(FailureAccrual::new())
            .timeout(LONG)
            .service(service_fn(async |n: u64| io::Result::Ok(n + 1)));
        assert_eq!(allocations(stack).await, 0);
    });
}
