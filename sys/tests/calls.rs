//! How many system calls each operation makes, counted by strace(1), which has to be installed.
//!
//! The test runs itself as a child under strace. The child says in the trace itself where a phase begins, by a write
//! that fails; every call that its thread makes in a phase counts, whatever it is (but for memory).
#![cfg(all(not(loom), target_os = "linux", not(mainspring_force_kqueue)))]

mod util;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector, Token, Waker};
use util::{LIMIT, in_child_after, is_child, tcp_pair};

/// How often each operation is made in its phase.
const TIMES: usize = 50;

/// What a phase's mark in the trace begins with.
const MARK: &str = "phase: ";

/// What a sanitizer asks for now and then; no operation does.
const MEMORY: [&str; 3] = ["mmap", "munmap", "madvise"];

/// Begins a phase.
fn mark(phase: &str) {
    let mark = format!("{MARK}{phase}");
    // SAFETY: the text is readable; the descriptor is none, so the call fails, and shows in the trace.
    unsafe { libc::write(-1, mark.as_ptr().cast(), mark.len()) };
}

/// Runs `operation` a number of times as one phase.
fn phase(name: &str, mut operation: impl FnMut()) {
    mark(name);
    (0..TIMES).for_each(|_| operation());
    mark("between");
}

fn operations() {
    let (ready, peer) = tcp_pair();
    peer.send(b"x").unwrap();
    util::await_bytes(&ready, 1);
    let (idle, _idle_peer) = tcp_pair();
    let selector = OsSelector::new().unwrap();
    let waker = selector.waker().unwrap();
    let mut events = Events::with_capacity(8);
    let mut select = |selector: &OsSelector, timeout: Option<Duration>| selector.select(&mut events, timeout).unwrap();
    let token = Token(1);
    let fd = idle.as_fd();

    phase("select without waiting", || select(&selector, Some(Duration::ZERO)));
    phase("select for a millisecond", || select(&selector, Some(Duration::from_millis(1))));
    phase("select for less", || select(&selector, Some(Duration::from_micros(10))));
    phase("register and deregister", || {
        selector.register(fd, token, Interest::READABLE, Mode::Edge).unwrap();
        selector.deregister(fd).unwrap();
    });
    selector.register(fd, token, Interest::READABLE | Interest::WRITABLE, Mode::Level).unwrap();
    phase("reregister", || selector.reregister(fd, token, Interest::READABLE, Mode::Level).unwrap());
    selector.register(ready.as_fd(), Token(2), Interest::READABLE, Mode::Level).unwrap();
    phase("select what is ready", || select(&selector, None));
    selector.deregister(ready.as_fd()).unwrap();
    phase("another waker", || drop(black_box(selector.waker().unwrap())));
    phase("wake nobody who sleeps", || {
        waker.wake();
        assert!(waker.take());
    });
    waker.wake();
    phase("wake again", || waker.wake());
    phase("select with a wake pending", || select(&selector, None));
    assert!(waker.take());

    // Each of the two wakes the other in turn.
    let other = OsSelector::new().unwrap();
    let other_waker = other.waker().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..=TIMES {
                until_woken(&other, &other_waker);
                waker.wake();
            }
        });
        let exchange = || {
            // Time for the other to fall asleep, by reading a clock, which is no system call: what is counted does not
            // depend on it, but that there is something to count does.
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
            other_waker.wake();
            until_woken(&selector, &waker);
        };
        exchange();
        phase("wake and be woken", exchange);
    });
}

fn until_woken(selector: &OsSelector, waker: &Waker) {
    thread_local!(static EVENTS: std::cell::RefCell<Events> = Events::with_capacity(8).into());
    EVENTS.with_borrow_mut(|events| {
        while !waker.take() {
            selector.select(events, Some(LIMIT)).unwrap();
        }
    });
}

/// Whether what stands before the parenthesis is a call: one that is resumed was counted when it began.
fn is_counted(name: &str) -> bool {
    !name.starts_with('<') && !MEMORY.contains(&name)
}

/// The calls of each phase by name, of the thread that marks the phases.
fn calls(trace: &str) -> BTreeMap<String, BTreeMap<String, usize>> {
    let begins = trace.lines().find(|line| line.contains(MARK)).expect("a mark in the trace");
    let thread = begins.split_whitespace().next().unwrap();
    let mut phases = BTreeMap::<_, BTreeMap<_, usize>>::new();
    let mut phase = String::new();
    for line in trace.lines() {
        let (id, line) = line.split_once(char::is_whitespace).unwrap();
        if id != thread {
            continue;
        }
        if let Some((_, rest)) = line.split_once(MARK) {
            phase = rest.split('"').next().unwrap().to_owned();
            phases.entry(phase.clone()).or_default();
        } else if let Some((name, _)) = line.trim_start().split_once('(').filter(|(name, _)| is_counted(name)) {
            *phases.entry(phase.clone()).or_default().entry(name.to_owned()).or_default() += 1;
        }
    }
    phases
}

#[test]
fn no_operation_makes_more_system_calls_than_it_says() {
    const TEST: &str = "no_operation_makes_more_system_calls_than_it_says";
    let path = std::env::temp_dir().join(format!("mainspring-sys-{}-trace", std::process::id()));
    // LeakSanitizer cannot work beside a tracer.
    let prelude =
        format!("ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS; set -- strace -f -s 99 -o {path:?} \"$@\"");
    in_child_after(&prelude, TEST, operations);
    if is_child() {
        return;
    }
    let trace = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let phases = calls(&trace);
    let of = |phase: &str| {
        let calls = phases.get(phase).unwrap_or_else(|| panic!("no {phase:?} in the trace"));
        calls.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>()
    };
    // Some architectures have no other way to wait.
    let wait = if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) { "epoll_pwait" } else { "epoll_wait" };
    for phase in ["select without waiting", "select for a millisecond", "select what is ready"] {
        assert_eq!(of(phase), [(wait, TIMES)], "{phase}");
    }
    assert_eq!(of("select with a wake pending"), [(wait, TIMES)]);
    assert_eq!(of("select for less"), [("epoll_pwait2", TIMES)]);
    assert_eq!(of("register and deregister"), [("epoll_ctl", 2 * TIMES)]);
    assert_eq!(of("reregister"), [("epoll_ctl", TIMES)]);
    for phase in ["another waker", "wake nobody who sleeps", "wake again"] {
        assert_eq!(of(phase), [], "{phase}");
    }
    // At most, since the other may not be asleep yet, or be ahead.
    for (name, count) in of("wake and be woken") {
        assert!(name == wait || name == "write", "{name}");
        assert!(count <= TIMES, "{count} times {name}");
    }
    assert!(of("wake and be woken").iter().any(|(name, _)| *name == "write"), "nobody slept");
}
