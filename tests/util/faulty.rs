//! One run of a service over an operating system that fails by plan.
use std::cell::OnceCell;
use std::time::Instant;

use mainspring::Reactor;
use mainspring::channel::oneshot;
use mainspring_sys::faults::{Fault, Plan};

use super::outcome::{Outcome, serve_until};
use super::peers;
use super::runtime::{Limit, open_descriptors};
use super::services::Style;

/// Serves all peers in the style, while the faults strike on this thread, from the first accept on. Nothing is left
/// open.
pub(crate) fn run(style: Style, faults: &[Fault]) -> Outcome {
    let _limit = Limit::new();
    let start = Instant::now();
    let reactor = Reactor::new().expect("a reactor");
    let open = open_descriptors();
    let (mut clients, plan, mut calls) = (None, OnceCell::new(), 0);
    let (done, all_done) = oneshot::channel();
    let ready = |address| {
        plan.get_or_init(|| Plan::new(faults.iter().copied()));
        clients = Some(std::thread::spawn(move || {
            let seen = peers::start(style.protocol(), address).join();
            // Why ignored: the reactor may have failed.
            let _ = done.send(());
            seen.expect("no client panics")
        }));
    };
    let report = serve_until(reactor, style, ready, async {
        all_done.await.expect("the clients end");
        calls = plan.get().map_or(0, Plan::calls_of_any_kind);
    });
    let seen = clients.expect("they were started").join().expect("the clients ended");
    let hits = plan.get().map(Plan::hits).unwrap_or_default();
    drop(plan);
    assert_eq!(open_descriptors(), open, "a descriptor was left open");
    Outcome { report, seen, hits, calls, took: start.elapsed() }
}
