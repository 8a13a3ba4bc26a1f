//! Every call of a running service, and every code by which it may fail: what has to come of it.
//!
//! `--cfg mainspring_faults`. A row is run for each style of service in which the call is made, and for the first to
//! the twentieth call. What a service in full work cannot show stands in `faults_connect.rs` and `sys/tests/faults.rs`.
#![cfg(mainspring_faults)]

mod util;

use std::time::Duration;

use libc::{
    EAGAIN, EBADF, ECONNABORTED, ECONNRESET, EEXIST, EFAULT, EHOSTDOWN, EHOSTUNREACH, EINTR, EINVAL, EIO, ELOOP,
    EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOENT, ENOMEM, ENONET, ENOPROTOOPT, ENOSPC, ENOTSOCK, EOPNOTSUPP,
    EPERM, EPIPE, EPROTO, ETIMEDOUT,
};
use mainspring_sys::faults::{Call, Fault};

use util::faulty::{Outcome, run};
use util::peers::{PEERS, Seen};
use util::runtime::in_child;
use util::services::Style;

/// How many calls a row is about: each is made to fail in a run of its own.
const SWEEP: u64 = 20;

/// What must come of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Must {
    /// Nobody notices.
    Nothing,
    /// It is counted as a connection that failed before it was accepted; nobody notices.
    PassOver,
    /// The listener pauses, and serves everybody later.
    Pause,
    /// The connection is closed before the service sees it, and counted; the others are served.
    Shed,
    /// The connection fails with the code; the others are served.
    EndConnection,
    /// The listener fails with the code; what it has accepted is served.
    EndListener,
    /// The reactor returns the code; everything is dropped.
    EndRun,
}

use Must::{EndConnection, EndListener, EndRun, Nothing, PassOver, Pause, Shed};

/// The call, how many in a row fail, with which codes, and what must come of it.
type Row = (Call, u64, &'static [i32], Must);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Call::Select, 1, &[EINTR], Nothing),
    (Call::Select, 100, &[EINTR], Nothing),
    (Call::Select, 1, &[EBADF, EINVAL, EFAULT, EIO], EndRun),
    (Call::Accept, 1, &[EINTR, EAGAIN], Nothing),
    (Call::Accept, 16, &[EINTR], Nothing),
    (Call::Accept, 17, &[EINTR], PassOver),
    (Call::Accept, 1, &[ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
        ENETUNREACH], PassOver),
    (Call::Accept, 64, &[ECONNABORTED], Pause),
    (Call::Accept, 1, &[EMFILE, ENFILE, ENOBUFS, ENOMEM], Pause),
    (Call::Accept, 3, &[EMFILE, ENFILE, ENOBUFS, ENOMEM], Pause),
    (Call::Accept, 1, &[EINVAL, EBADF, ENOTSOCK, EFAULT, EIO], EndListener),
    (Call::Register, 1, &[ENOSPC, ENOMEM, EEXIST, EPERM, ELOOP, EINVAL, EBADF, EIO], Shed),
    (Call::Deregister, 1, &[ENOENT, EBADF, EIO], Nothing),
    (Call::Recv, 1, &[EINTR, EAGAIN], Nothing),
    (Call::Recv, 100, &[EINTR], Nothing),
    (Call::Recv, 1, &[ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EBADF, EIO], EndConnection),
    (Call::RecvVectored, 1, &[EINTR, EAGAIN], Nothing),
    (Call::RecvVectored, 100, &[EINTR], Nothing),
    (Call::RecvVectored, 1, &[ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EBADF, EIO], EndConnection),
    (Call::Send, 1, &[EINTR, EAGAIN], Nothing),
    (Call::Send, 100, &[EINTR], Nothing),
    (Call::Send, 1, &[ENOBUFS, ENOMEM], Nothing),
    (Call::Send, 5, &[ENOBUFS, ENOMEM], Nothing),
    (Call::Send, 1, &[EPIPE, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EBADF, EIO], EndConnection),
    (Call::SendVectored, 1, &[EINTR, EAGAIN], Nothing),
    (Call::SendVectored, 100, &[EINTR], Nothing),
    (Call::SendVectored, 1, &[ENOBUFS, ENOMEM], Nothing),
    (Call::SendVectored, 5, &[ENOBUFS, ENOMEM], Nothing),
    (Call::SendVectored, 1, &[EPIPE, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EBADF, EIO], EndConnection),
];

/// Whether a service of the style makes the call at all.
fn makes(style: Style, call: Call) -> bool {
    match call {
        Call::Recv | Call::Send => style != Style::Vectored,
        Call::RecvVectored | Call::SendVectored | Call::Deregister => style == Style::Vectored,
        _ => true,
    }
}

#[test]
fn every_row_comes_to_what_it_must_for_futures() {
    in_child("every_row_comes_to_what_it_must_for_futures", || sweep(Style::Async));
}

#[test]
fn every_row_comes_to_what_it_must_for_ticks() {
    in_child("every_row_comes_to_what_it_must_for_ticks", || sweep(Style::Ticks));
}

#[test]
fn every_row_comes_to_what_it_must_for_vectored_calls() {
    in_child("every_row_comes_to_what_it_must_for_vectored_calls", || sweep(Style::Vectored));
}

#[test]
fn every_row_comes_to_what_it_must_for_http() {
    in_child("every_row_comes_to_what_it_must_for_http", || sweep(Style::Http));
}

fn sweep(style: Style) {
    let usual = usual(style);
    let mut runs = 0;
    let mut problems = String::new();
    for &(call, times, codes, must) in ROWS.iter().filter(|row| makes(style, row.0)) {
        for (&code, nth) in codes.iter().flat_map(|code| (1..=SWEEP).map(move |nth| (code, nth))) {
            let outcome = run(style, &[Fault::fail(call, code).nth(nth).times(times)]);
            let problem = judge(must, code, times, usual, &outcome);
            if !problem.is_empty() {
                problems +=
                    &format!("{call:?} {nth} failed {times} times with {code}, {must:?}: {problem}\n{outcome:?}\n\n");
            }
            runs += 1;
        }
    }
    println!("{style:?}: {runs} runs");
    assert!(problems.is_empty(), "{problems}");
}

/// The most system calls of runs in which nothing fails.
fn usual(style: Style) -> u64 {
    (0..5).map(|_| run(style, &[]).calls).max().unwrap_or_default()
}

/// What is not as it must be; nothing if all is.
fn judge(must: Must, code: i32, times: u64, usual: u64, outcome: &Outcome) -> String {
    let Outcome { run, listener, stats, hits, calls, took, .. } = outcome;
    let mut problems = Vec::new();
    let mut check = |good: bool, what: &str| {
        if !good {
            problems.push(what.to_owned())
        }
    };
    check(hits == &[times], "the fault did not strike as often as it should");
    check(outcome.count(Seen::Stuck) == 0, "a client hangs");
    let whole = outcome.count(Seen::Whole);
    let failures = outcome.failures();
    let raw = |error: Option<&std::io::Error>| error.and_then(std::io::Error::raw_os_error);
    check(raw(run.as_ref().err()) == (must == EndRun).then_some(code), "the reactor");
    check(raw(listener.as_ref()) == (must == EndListener).then_some(code), "the listener");
    match must {
        Nothing | PassOver | Pause => check(whole == PEERS && failures.is_empty(), "a connection failed"),
        Shed => check(whole == PEERS - 1 && failures.is_empty(), "more or less than one was shed"),
        // All that it had to say may have been said when it failed.
        EndConnection => check(whole >= PEERS - 1 && failures == [code], "more or less than one connection failed"),
        EndListener => check(failures.is_empty() && whole as u64 == stats.accepted, "what was accepted was not served"),
        // The clients may have been done by then; that none hangs is looked at above.
        EndRun => {}
    }
    let failed = match must {
        PassOver => times.div_ceil(17).max(1),
        Pause if code == ECONNABORTED => times,
        Shed => 1,
        _ => 0,
    };
    check(stats.accept_failed == failed, "connections that failed before they were accepted");
    check((stats.accept_paused > 0) == matches!(must, Pause | Shed), "the pauses");
    // No spin, and no wait longer than the pauses of a listener that doubles them.
    check(*calls <= 2 * usual + 4 * times, "too many system calls");
    check(*took < Duration::from_secs(5), "it took too long");
    problems.join(", ")
}
