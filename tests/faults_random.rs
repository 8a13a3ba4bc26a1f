//! Random plans of faults that nobody may notice: short transfers, early and late events, interruptions, untrue
//! "not yet", a shortage now and then, all at once.
//!
//! `--cfg mainspring_faults`. The seed is printed, and taken from `MAINSPRING_SEED`; `FAULTS_RUNS` says how many plans
//! are tried in each style.
#![cfg(all(mainspring_faults, feature = "service"))]

mod util;

use std::time::Duration;

use libc::{EAGAIN, ECONNABORTED, EINTR, EMFILE, ENOBUFS};
use mainspring_sys::faults::{Call, Fault};

use util::faulty::run;
use util::peers::{PEERS, Seen};
use util::runtime::{Random, in_child};
use util::services::Style;

/// Plans in each style, unless `FAULTS_RUNS` says otherwise.
const RUNS: u64 = 100;

/// The longest pause of a listener.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The most faults of a plan.
const FAULTS_MAX: usize = 16;

#[test]
fn nobody_notices_what_is_no_error_in_futures() {
    in_child("nobody_notices_what_is_no_error_in_futures", || sweep(Style::Async));
}

#[test]
fn nobody_notices_what_is_no_error_in_ticks() {
    in_child("nobody_notices_what_is_no_error_in_ticks", || sweep(Style::Ticks));
}

#[test]
fn nobody_notices_what_is_no_error_in_vectored_calls() {
    in_child("nobody_notices_what_is_no_error_in_vectored_calls", || sweep(Style::Vectored));
}

#[test]
fn nobody_notices_what_is_no_error_in_http() {
    in_child("nobody_notices_what_is_no_error_in_http", || sweep(Style::Http));
}

fn sweep(style: Style) {
    let runs = std::env::var("FAULTS_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let usual = run(style, &[]).calls;
    let mut random = Random::new();
    let (mut struck, mut kinds) = (0, [0; KINDS.len()]);
    for number in 1..=runs {
        let plan: Vec<(usize, Fault)> = (0..=random.below(FAULTS_MAX)).map(|_| fault(style, &mut random)).collect();
        let faults: Vec<_> = plan.iter().map(|&(_, fault)| fault).collect();
        let outcome = run(style, &faults);
        let hits: u64 = outcome.hits.iter().sum();
        let good = outcome.count(Seen::Whole) == PEERS
            && outcome.report.failures.is_empty()
            && outcome.report.run.is_none()
            && outcome.report.listener.is_none()
            // Each fault costs a few calls: those of a spurious event a try of everybody who waits.
            && outcome.calls <= 3 * usual + 16 * hits
            && outcome.took < Duration::from_secs(30) + PAUSE_MAX * outcome.report.accept_paused as u32;
        assert!(good, "{style:?}, run {number} ({usual} calls usually): {faults:?}\n{outcome:?}");
        struck += hits;
        for ((kind, _), hits) in plan.iter().zip(&outcome.hits) {
            kinds[*kind] += hits;
        }
    }
    println!("{style:?}: {runs} plans, faults struck {struck} times, by kind {kinds:?}");
    let never = (0..KINDS.len()).filter(|&kind| {
        kinds[kind] == 0 && KINDS[kind].0.is_none_or(|vectored| vectored == (style == Style::Vectored))
    });
    let never: Vec<_> = never.collect();
    assert!(runs < RUNS || never.is_empty(), "{style:?}: of these kinds no fault has struck: {never:?}");
}

/// A fault that nobody may notice, of a size drawn by `few`.
type Make = fn(few: usize) -> Fault;

/// What may go wrong; whether it is about a call that only services with vectored calls make, or only the others; and
/// how many times in a row at most, a few where each of them is a pause.
const KINDS: [(Option<bool>, usize, Make); 16] = [
    (Some(false), 20, |few| Fault::cut(Call::Recv, few)),
    (Some(false), 20, |few| Fault::cut(Call::Send, few)),
    (Some(false), 20, |_| Fault::fail(Call::Recv, EINTR)),
    (Some(false), 20, |_| Fault::fail(Call::Send, EINTR)),
    (Some(false), 20, |_| Fault::fail(Call::Recv, EAGAIN)),
    (Some(false), 20, |_| Fault::fail(Call::Send, EAGAIN)),
    (Some(true), 20, |_| Fault::cut(Call::RecvVectored, 1)),
    (Some(true), 20, |_| Fault::cut(Call::SendVectored, 1)),
    (Some(true), 3, |_| Fault::fail(Call::SendVectored, ENOBUFS)),
    (Some(true), 20, |_| Fault::fail(Call::RecvVectored, EAGAIN)),
    (None, 20, |few| Fault::delay(few as u64 % 8)),
    (None, 20, |_| Fault::spurious()),
    (None, 20, |_| Fault::fail(Call::Select, EINTR)),
    (None, 3, |_| Fault::fail(Call::Accept, EMFILE)),
    (None, 20, |_| Fault::fail(Call::Accept, ECONNABORTED)),
    (None, 20, |_| Fault::fail(Call::Accept, EAGAIN)),
];

/// One of them, somewhere in a run, with its number.
fn fault(style: Style, random: &mut Random) -> (usize, Fault) {
    loop {
        let kind = random.below(KINDS.len());
        let (vectored, times, make) = KINDS[kind];
        if vectored.is_none_or(|vectored| vectored == (style == Style::Vectored)) {
            let fault = make(1 + random.below(40));
            return (kind, fault.nth(1 + random.below(100) as u64).times(1 + random.below(times) as u64));
        }
    }
}
