//! The command line.
//!
//! Called once, by `main`. What is not understood is an error that names it; nothing is guessed. The help text stands
//! beside the parser, so that one is not changed without the other. `lexopt` does the tokens: a derive macro would take
//! longer to build than all that is measured here.

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::{Long, Short, Value};
use lexopt::{Parser, ValueExt};

use crate::selectors::Work;
use crate::serve::{Receiving, Served, Threads};
use crate::style::Style;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Counts and times of Mainspring beside a hand-written loop, and of its selector beside its peers.

Usage: cargo run --release -p benches -- COMMAND [OPTIONS]

Commands:
  syscalls       System calls per echoed request and per connection (strace)
  instructions   User-space instructions and allocations per echoed request (valgrind)
      --profile  Also those of each function, and of each source line if the build has them:
                 set CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
  echo           The echo beside mio, tokio, smol, may and monoio, in six shapes on one processor and in one
                 on two: processor time per request, requests per second; ten minutes
  http           Plain text over HTTP: instructions (valgrind), and times beside hyper on tokio and on us, nginx
                 and a hand-written loop and its work in tasks, with 64 and 1,000 connections and 16
                 requests at a time (wrk): twelve minutes
  churn          Connections that come and go, and storms of them: system calls per connection (strace),
                 processor time, connections per second; two minutes
  lean           Crates, clean build, stripped size and lines of unsafe of an echo server alone, beside
                 the peers' (builds each from nothing): four minutes
  udp            Datagrams in a second, one by one and in batches: two minutes
  latency        p50, p99 and p99.9 at 10,000 and 40,000 requests a second, sent when due: four minutes
  implicit       The same echo by hand, as tick, future, service and pipelined service: instructions,
                 system calls, time; three minutes
  curves         The cost of an operation among 10 to 18,000 connections, 100 to 10,000,000 timers and
                 10 to 1,000,000 tasks; a quarter of an hour
  memory         Bytes per idle connection, in use (valgrind) and resident
  scale          What 1, 10 and 100 million connections need of memory, descriptors and processors, from
                 what one needs, and which limit of this system comes first; half a minute
  idle           How often a server with 9,000 idle connections runs within 10 s; a minute
  flood          The slowest of 100 connections while another never ends; half a minute
  slow           The p99 of good requests to the HTTP example beside 5,000 clients that send a byte now and then,
                 and when those are closed: two minutes
  relay          Bytes from one connection to another: splice and copy beside tokio's copy and a thread
                 that blocks: processor time, GB/s; a minute
  filters        What each filter adds to a call that answers at once, and stacks of six: nanoseconds
  timers         Arming and cancelling a sleep among 1,000 and 1,000,000 live ones (valgrind); then beside
                 tokio, smol and monoio, with a second of 100,000 that fire: three minutes
  selectors      The selector beside those of mio and polling: system calls, instructions, times
  micro          Tasks, channels, timers and wakes beside tokio, smol and monoio: nanoseconds, three minutes
      --quick    The same with small counts, within 20 seconds
  charts FOLDER REPORT...
                 Draws each figure of some reports that --json wrote as an SVG file
  all            Every part above, one after the other: an hour and a half. What charts draw: all --json FILE
  quick          With small counts, within four minutes, all but scale, lean, flood and slow; asserts counts,
                 never times

Helpers, which the commands start:
  serve STYLE [--port P] [--threads N [--sharing WAY]]
                 Echoes on 127.0.0.1, prints \"ready PORT\", and ends when its first connection
                 does. STYLE is loop (written by hand), tick or async. With --threads, for async alone, it is
                 a Server, whose connections come to its threads by reuse-port, hand-off or exclusive
  datagrams WAY  The echo over UDP, on the port of the leash: blocking, single, batches or tokio
  hold STYLE [--deadlines]
                 Holds connections that are idle, tick or async, each with a deadline of five minutes for
                 the next read if so wanted; ends as serve does, with all of them open
  load ADDRESS [--connections C] [--requests N]
                 Echoes N requests of 64 bytes over C connections, each with one outstanding
  arm LIVE COUNT
                 Arms and cancels COUNT sleeps among LIVE others
  select PEER WORK COUNT
                 Does WORK with the selector of PEER. PEER is mainspring, mio, polling, polling-edge or
                 nothing; WORK is look, ready/N/OF, chain/SOURCES/ACTIVE, register, wake-pending,
                 wake-before, wake-across or wake-storm

Options:
  --json FILE    Also writes what was measured as JSON
  --rounds N     Other than as many rounds as for figures that are published: echo, http, churn, lean, udp,
                 latency, implicit, curves, relay, flood, slow
  -h, --help     This text

Exits with 0, with 1 if a count is above its figure, as the size of `lean` is, and with 2 if something could not be run.
";

/// Connections that `load` makes if it is not told.
const CONNECTIONS: usize = 50;

/// Requests that `load` sends if it is not told.
const REQUESTS: usize = 100_000;

/// What to do, and where to.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    /// Where the report goes, if anywhere.
    pub(crate) json: Option<PathBuf>,
    /// Rounds of what is compared, if not as many as for figures that are published.
    pub(crate) rounds: Option<usize>,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Syscalls,
    Instructions { profile: bool },
    Memory,
    Idle,
    Scale,
    Flood,
    Slow,
    Echo,
    Http,
    Churn,
    Lean,
    Datagrams,
    Latency,
    Curves,
    Implicit,
    Relay,
    Filters,
    Timers,
    Selectors,
    Micro { quick: bool },
    Charts { folder: PathBuf, reports: Vec<PathBuf> },
    All,
    Quick,
    Serve { served: Served, port: u16 },
    ServeDatagrams(Receiving),
    Hold { style: Style, deadlines: bool },
    Load { server: SocketAddr, connections: usize, requests: usize },
    Arm { live: usize, count: usize },
    Select { peer: String, work: Work, count: usize },
}

/// What `all` stands for, counts first.
pub(crate) fn parts() -> [Command; 20] {
    [
        Command::Syscalls,
        Command::Instructions { profile: false },
        Command::Memory,
        Command::Idle,
        Command::Scale,
        Command::Lean,
        Command::Implicit,
        Command::Echo,
        Command::Http,
        Command::Churn,
        Command::Latency,
        Command::Datagrams,
        Command::Relay,
        Command::Flood,
        Command::Slow,
        Command::Timers,
        Command::Filters,
        Command::Selectors,
        Command::Micro { quick: false },
        Command::Curves,
    ]
}

/// What the command line asks for.
///
/// # Errors
///
/// Text that names what is missing, unknown or malformed.
pub(crate) fn parse() -> Result<Invocation, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut words = Vec::new();
    let (mut profile, mut port, mut connections, mut requests) = (None, None, None, None);
    let (mut quick, mut json, mut deadlines) = (None, None, None);
    let (mut threads, mut sharing, mut rounds) = (None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Invocation { command: Command::Help, json: None, rounds: None }),
            Long("profile") => profile = Some(true),
            Long("quick") => quick = Some(true),
            Long("json") => json = Some(parser.value()?.into()),
            Long("rounds") => rounds = Some(parser.value()?.parse::<NonZero<usize>>()?),
            Long("deadlines") => deadlines = Some(true),
            Long("port") => port = Some(parser.value()?.parse()?),
            Long("threads") => threads = Some(parser.value()?.parse()?),
            Long("sharing") => sharing = Some(parser.value()?.parse()?),
            Long("connections") => connections = Some(parser.value()?.parse()?),
            Long("requests") => requests = Some(parser.value()?.parse()?),
            Value(word) => words.push(word.string()?),
            unknown => return Err(unknown.unexpected()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match words[..] {
        [] => return Err("missing COMMAND".into()),
        ["syscalls"] => Command::Syscalls,
        ["instructions"] => Command::Instructions { profile: profile.take().unwrap_or(false) },
        ["echo"] => Command::Echo,
        ["http"] => Command::Http,
        ["churn"] => Command::Churn,
        ["lean"] => Command::Lean,
        ["udp"] => Command::Datagrams,
        ["latency"] => Command::Latency,
        ["implicit"] => Command::Implicit,
        ["curves"] => Command::Curves,
        ["relay"] => Command::Relay,
        ["memory"] => Command::Memory,
        ["idle"] => Command::Idle,
        ["scale"] => Command::Scale,
        ["filters"] => Command::Filters,
        ["flood"] => Command::Flood,
        ["slow"] => Command::Slow,
        ["timers"] => Command::Timers,
        ["selectors"] => Command::Selectors,
        ["micro"] => Command::Micro { quick: quick.take().unwrap_or(false) },
        ["charts", folder, ref reports @ ..] if !reports.is_empty() => {
            Command::Charts { folder: folder.into(), reports: reports.iter().map(PathBuf::from).collect() }
        }
        ["all"] => Command::All,
        ["quick"] => Command::Quick,
        ["serve", style] => Command::Serve {
            served: Served {
                style: understood(style)?,
                threads: threads.take().map(|count| Threads { count, way: sharing.take().unwrap_or_default() }),
            },
            port: port.take().unwrap_or(0),
        },
        ["datagrams", way] => Command::ServeDatagrams(understood(way)?),
        ["hold", style] => Command::Hold { style: understood(style)?, deadlines: deadlines.take().unwrap_or(false) },
        ["load", server] => Command::Load {
            server: understood(server)?,
            connections: connections.take().unwrap_or(CONNECTIONS),
            requests: requests.take().unwrap_or(REQUESTS),
        },
        ["arm", live, count] => Command::Arm { live: understood(live)?, count: understood(count)? },
        ["select", peer, work, count] => {
            Command::Select { peer: peer.to_owned(), work: understood(work)?, count: understood(count)? }
        }
        _ => return Err(format!("cannot make sense of {words:?}").into()),
    };
    let switches = [profile, quick, deadlines];
    let counts = [connections, requests, threads];
    if switches.iter().any(Option::is_some) || counts.iter().any(Option::is_some) || port.is_some() || sharing.is_some()
    {
        return Err(format!("an option does not belong to {:?}", words[0]).into());
    }
    if rounds.is_some() && !command.has_rounds() {
        return Err(format!("{:?} has no --rounds", words[0]).into());
    }
    Ok(Invocation { command, json, rounds: rounds.map(NonZero::get) })
}

impl Command {
    /// Whether it takes as many rounds as it is told.
    const fn has_rounds(&self) -> bool {
        matches!(
            self,
            Self::All
                | Self::Echo
                | Self::Http
                | Self::Churn
                | Self::Lean
                | Self::Datagrams
                | Self::Latency
                | Self::Implicit
                | Self::Curves
                | Self::Relay
                | Self::Flood
                | Self::Slow
        )
    }
}

/// A word as what it stands for: a number, a style, an address.
fn understood<T: FromStr<Err: Display>>(word: &str) -> Result<T, lexopt::Error> {
    word.parse().map_err(|error| format!("cannot make sense of {word:?}: {error}").into())
}
