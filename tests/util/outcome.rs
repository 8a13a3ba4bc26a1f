//! What came of serving all peers once, and what must come of it when a call fails.
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use libc::ECONNABORTED;
use mainspring::net::TcpListener;
use mainspring::{Reactor, Stats};

use super::peers::{PEERS, Seen};
use super::runtime::{stats, until};
use super::services::{Ends, Style, serve};

/// The service's side.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Report {
    /// The code that the reactor returned.
    pub(crate) run: Option<i32>,
    /// The code by which the listener ended.
    pub(crate) listener: Option<i32>,
    /// The codes by which connections failed.
    pub(crate) failures: Vec<i32>,
    pub(crate) accepted: u64,
    pub(crate) accept_failed: u64,
    pub(crate) accept_paused: u64,
    pub(crate) panics: u64,
}

/// Both sides.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    /// How the connections ended for their clients.
    pub(crate) seen: Vec<Seen>,
    /// How often each fault struck.
    pub(crate) hits: Vec<u64>,
    /// How many system calls there were until all clients were done.
    pub(crate) calls: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Serves on `reactor`, which is dropped after it, until `done` is ready. `ready` is told the address.
///
/// What must be so whatever fails is looked at here: nothing is left in the reactor, and its tasks are dropped with it.
pub(crate) fn serve_until(
    reactor: Reactor,
    style: Style,
    ready: impl FnOnce(SocketAddr),
    done: impl Future<Output = ()>,
) -> Report {
    let ends = Ends::default();
    let mut listener = None;
    let run = reactor.block_on(async {
        let sockets = TcpListener::bind("127.0.0.1:0").expect("a listener");
        ready(sockets.local_addr().expect("its address"));
        let accepting = mainspring::spawn(serve(style, sockets, Rc::clone(&ends)));
        done.await;
        if accepting.is_finished() {
            listener = accepting.await.ok();
        } else {
            accepting.abort();
            assert!(accepting.await.is_err());
        }
        // A try that was put off may still stand in the wheel, for a moment; a deadline would stand there for minutes.
        until(|| stats().tasks == 0 && stats().timers == 0).await;
        assert_eq!((stats().sources, stats().waits), (0, 0), "something is left in the reactor");
    });
    let Stats { accepted, accept_failed, accept_paused, panics, .. } = reactor.stats();
    drop(reactor);
    let ends = Rc::try_unwrap(ends).expect("no task is left").into_inner();
    let raw = |error: io::Error| error.raw_os_error().unwrap_or(-1);
    let failures = ends.into_iter().filter_map(Result::err).map(raw).collect();
    let (run, listener) = (run.err().map(raw), listener.map(raw));
    Report { run, listener, failures, accepted, accept_failed, accept_paused, panics }
}

/// What must come of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Must {
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

impl Outcome {
    /// How many clients saw such an end.
    pub(crate) fn count(&self, seen: Seen) -> usize {
        self.seen.iter().filter(|&&other| other == seen).count()
    }

    /// What is not as it must be when `times` calls in a row have failed with `code`; nothing if all is.
    pub(crate) fn problems(&self, must: Must, code: i32, times: u64) -> Vec<&'static str> {
        use Must::{EndConnection, EndListener, EndRun, Nothing, PassOver, Pause, Shed};
        let Self { report, hits, took, .. } = self;
        let mut problems = Vec::new();
        let mut check = |good: bool, what| {
            if !good {
                problems.push(what)
            }
        };
        check(hits == &[times], "the fault did not strike as often as it should");
        check(self.count(Seen::Stuck) == 0, "a client hangs");
        check(self.seen.len() == PEERS, "a client is missing");
        check(report.panics == 0, "something panicked");
        check(report.run == (must == EndRun).then_some(code), "the reactor");
        check(report.listener == (must == EndListener).then_some(code), "the listener");
        let whole = self.count(Seen::Whole);
        let failures = report.failures.as_slice();
        match must {
            Nothing | PassOver | Pause => check(whole == PEERS && failures.is_empty(), "a connection failed"),
            Shed => check(whole == PEERS - 1 && failures.is_empty(), "more or less than one was shed"),
            // All that it had to say may have been said when it failed.
            EndConnection => check(whole >= PEERS - 1 && failures == [code], "more or less than one connection failed"),
            EndListener => {
                check(failures.is_empty() && whole as u64 == report.accepted, "what was accepted was not served");
            }
            // The clients may have been done by then.
            EndRun => {}
        }
        let failed = match must {
            PassOver => times.div_ceil(17).max(1),
            Pause if code == ECONNABORTED => times,
            Shed => 1,
            _ => 0,
        };
        check(report.accept_failed == failed, "connections that failed before they were accepted");
        check((report.accept_paused > 0) == matches!(must, Pause | Shed), "the pauses");
        // No wait longer than the pauses of a listener that doubles them, on a machine that has other things to do.
        check(*took < Duration::from_secs(15), "it took too long");
        problems
    }
}

impl Report {
    /// One line, for another process.
    pub(crate) fn to_line(&self) -> String {
        let code = |code: Option<i32>| code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        let failures: Vec<_> = self.failures.iter().map(i32::to_string).collect();
        let Self { accepted, accept_failed, accept_paused, panics, .. } = self;
        format!(
            "report {} {} {accepted} {accept_failed} {accept_paused} {panics} {}",
            code(self.run),
            code(self.listener),
            failures.join(" ")
        )
    }

    /// From the line of another process, somewhere in what it has said.
    pub(crate) fn from_output(output: &str) -> Option<Self> {
        let line = output.lines().find_map(|line| line.trim().split_once("report ")).map(|(_, line)| line)?;
        let words: Vec<_> = line.split_whitespace().collect();
        let [run, listener, counts @ ..] = words.as_slice() else { return None };
        let [accepted, accept_failed, accept_paused, panics] = *counts.first_chunk::<4>()?;
        let number = |word: &str| u64::from_str(word).ok();
        Some(Self {
            run: run.parse().ok(),
            listener: listener.parse().ok(),
            failures: counts[4..].iter().filter_map(|code| code.parse().ok()).collect(),
            accepted: number(accepted)?,
            accept_failed: number(accept_failed)?,
            accept_paused: number(accept_paused)?,
            panics: number(panics)?,
        })
    }
}
