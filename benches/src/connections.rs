//! System calls per accepted connection over its life, the request excluded.
//!
//! Every connection does one echo, whose read and write are taken off. What is left is exact: accept, registration, the
//! read that finds the end, close. Counted apart, because they depend on when things arrive: the accept that finds
//! nobody waiting, at most one per wake-up, and the first read, which is tried at once and may come before the request.
//!
//! On two threads it depends on how connections come to them; what that costs more is the wake of a hand-off.

use std::io;

use mainspring::server::Sharing;

use crate::counts::Slope;
use crate::load;
use crate::report::Report;
use crate::serve::{Served, Way};
use crate::server;
use crate::strace::{self, FAILED};
use crate::style::Style;
use crate::table::Table;
use crate::verdict::Verdict;

/// How many calls more a run may make than the other one, all together: for the connection that is still open at its
/// end, and for memory that is asked for on the way. A number of calls, since there are no more of them in a longer
/// run.
const CALLS_MORE: f64 = 8.0;

/// How many connections the two runs make.
pub(crate) struct Size(pub(crate) [usize; 2]);

/// For figures that are published.
pub(crate) const FULL: Size = Size([200, 600]);

/// Prints the table.
pub(crate) fn run(Size(connections): Size, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    if !server::is_installed(strace::TOOL) {
        verdict.skip("system calls per connection", strace::TOOL);
        return Ok(());
    }
    let mut table = Table::new([
        "style",
        "accept4",
        "epoll_ctl",
        "read of the end",
        "close",
        "other",
        "accept4, nobody there",
        "read, nothing there",
        "select",
    ]);
    let alone = Style::ALL.into_iter().map(Served::alone);
    let shared = Way::ALL.into_iter().map(|way| Served::on(2, way.0));
    for served in alone.chain(shared) {
        let [few, many] = connections.map(|count| {
            eprintln!("syscalls: {served}, {count} connections");
            strace::count(served, |server| load::churn(server, count, 1))
        });
        let added = connections[1] - connections[0];
        let slope = many?.slope(&few?, added);
        let life = Life::of(&slope);
        table.row([
            served.to_string(),
            shown(life.accepts),
            shown(life.registrations),
            shown(life.ends),
            shown(life.closes),
            shown(life.others),
            shown(life.vain_accepts),
            shown(life.vain_reads),
            shown(slope.sum(strace::is_wait)),
        ]);
        let exact = life.accepts + life.registrations + life.ends + life.closes + life.others;
        report.count("System calls per connection, the request left out", &served.to_string(), "life", exact);
        life.check(served, CALLS_MORE / added as f64, verdict);
    }
    println!("System calls per connection, one echo taken off\n\n{table}");
    Ok(())
}

/// The system calls of one connection.
struct Life {
    accepts: f64,
    registrations: f64,
    /// Reads besides that of the request.
    ends: f64,
    closes: f64,
    /// All that has no name here, writes besides that of the answer included.
    others: f64,
    vain_accepts: f64,
    vain_reads: f64,
}

impl Life {
    fn of(slope: &Slope) -> Self {
        let failed = |name: &str| slope.of(&format!("{name}{FAILED}"));
        let mut life = Self {
            accepts: slope.of("accept4"),
            registrations: slope.of("epoll_ctl"),
            ends: slope.of("recvfrom") - 1.0,
            closes: slope.of("close"),
            others: 0.0,
            vain_accepts: failed("accept4"),
            vain_reads: failed("recvfrom"),
        };
        let known = life.accepts + life.registrations + life.ends + life.closes + life.vain_accepts + life.vain_reads;
        let waits = slope.sum(strace::is_wait);
        // The two are the read and the write of the request.
        life.others = slope.total() - known - waits - 2.0;
        life
    }

    fn check(&self, served: Served, tolerance: f64, verdict: &mut Verdict) {
        let exact = [
            ("accept4", self.accepts, 1.0),
            ("epoll_ctl", self.registrations, 1.0),
            ("read of the end", self.ends, 1.0),
            ("close", self.closes, 1.0),
        ];
        // The leash holds the first thread, so hand-off sends each connection to the second, which sleeps: one wake.
        let way = served.threads.map(|threads| threads.way.0);
        let wakes = f64::from(u8::from(way == Some(Sharing::HandOff)));
        // Where both threads have been woken, one is too late.
        let late = f64::from(u8::from(way == Some(Sharing::Exclusive)));
        for (name, count, figure) in exact {
            verdict.equal(&format!("{name} per connection, {served}"), count, figure, tolerance);
        }
        let at_most = [
            ("other", self.others, wakes),
            ("accept4, nobody there", self.vain_accepts, 1.0 + late),
            ("read, nothing there", self.vain_reads, 1.0),
        ];
        for (name, count, figure) in at_most {
            verdict.at_most(&format!("{name}, per connection, {served}"), count, figure + tolerance);
        }
    }
}

/// With two decimals, and never "-0.00".
fn shown(count: f64) -> String {
    format!("{:.2}", if count.abs() < 0.005 { 0.0 } else { count })
}
