//! Commands with small counts: what a continuous build runs on each change, within four minutes.
//!
//! It shows that they still run, and that no count has left its figure. The counts keep to the same figures as in full.
//! Times are shown, so that they are known to be measurable, and not asserted: on a machine that others use they say
//! nothing. Peers take part where they are in this program anyway; nothing is built for them.
//! A slope over few requests is as exact as one over many, but for the part of a select that falls to each.

use std::io;
use std::time::Duration;

use crate::report::Report;
use crate::verdict::Verdict;
use crate::{
    churn, connections, datagrams, echo, filters, http, idle, implicit, instructions, latency, memory, micro, relay,
    selectors, syscalls, timers,
};

/// Runs all of it.
pub(crate) fn run(verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    syscalls::run(syscalls::Size { connections: 50, requests: [1_000, 5_000] }, verdict, report)?;
    connections::run(connections::Size([50, 150]), verdict, report)?;
    instructions::run(instructions::Size { connections: 50, requests: [1_000, 5_000] }, false, verdict, report)?;
    idle::run(idle::Size { connections: 1_000, window: Duration::from_secs(1) }, verdict, report)?;
    memory::run(memory::Size { counted: [120, 500], resident: [100, 1_000] }, verdict, report)?;
    let size = timers::Size { live: [1_000, 100_000], counted: [1_000, 5_000], timed: 10_000, rounds: 5, peers: None };
    timers::run(size, verdict, report)?;
    filters::run(filters::QUICK, report)?;
    selectors::run(selectors::QUICK, verdict, report)?;
    let size = churn::Size { counted: [50, 150], rounds: 1, connections: 500, storms: 2, others: false };
    churn::run(size, verdict, report)?;
    let size = implicit::Size { connections: 50, counted: [1_000, 5_000], rounds: 1, requests: 2_000 };
    implicit::run(size, verdict, report)?;
    datagrams::run(datagrams::Size { rounds: 1, datagrams: 5_000 }, report)?;
    latency::run(latency::Size { rounds: 1, time: Duration::from_millis(100), others: false }, report)?;
    http::run(http::Size { rounds: 1, seconds: 1, from: 2, others: false }, verdict, report)?;
    echo::run(echo::Size { rounds: 3, requests: 5_000, shapes: 1, others: false }, report)?;
    relay::run(relay::Size { rounds: 3, bytes: 16 << 20 }, report)?;
    micro::run(micro::QUICK, report)?;
    micro::curves(micro::QUICK, 1_000, 100, report)
}
