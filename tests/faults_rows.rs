//! Every call of a running service, and every code by which it may fail: what has to come of it.
//!
//! `--cfg mainspring_faults`. A row is run for each style of service in which the call is made, and for the first to
//! the twentieth call. What a service in full work cannot show stands in `faults_connect.rs` and `sys/tests/faults.rs`.
#![cfg(all(mainspring_faults, feature = "service"))]

mod util;

use libc::{
    EAGAIN, EBADF, ECONNABORTED, ECONNRESET, EEXIST, EFAULT, EHOSTDOWN, EHOSTUNREACH, EINTR, EINVAL, EIO, ELOOP,
    EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOENT, ENOMEM, ENONET, ENOPROTOOPT, ENOSPC, ENOTSOCK, EOPNOTSUPP,
    EPERM, EPIPE, EPROTO, ETIMEDOUT,
};
use mainspring_sys::faults::{Call, Fault};

use util::faulty::run;
use util::outcome::Must;
use util::runtime::in_child;
use util::services::Style;

/// How many calls a row is about: each is made to fail in a run of its own.
const SWEEP: u64 = 20;

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
            let mut wrong = outcome.problems(must, code, times);
            if outcome.calls > 2 * usual + 4 * times {
                wrong.push("too many system calls");
            }
            if !wrong.is_empty() {
                let what = format!("{call:?} {nth} failed {times} times with {code}");
                problems += &format!("{what}, {must:?}: {wrong:?}\n{outcome:?}\n\n");
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
