//! What a reactor does, live: an echo service and its clients on one reactor, and its counters once a second.
//!
//! ```text
//! cargo run --release --example top
//! cargo run --release --example top -- --once --json
//! ```
//!
//! A task asks its own reactor (`Stats::current`), as any program can; nothing is stopped or locked for it. On a
//! terminal each table is drawn over the one before, elsewhere one follows the other.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use clap::{Parser, value_parser};
use examples::options::duration;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::task::spawn_named;
use mainspring::time::{Instant, Interval, MissedTicks, interval_at};
use mainspring::{LongestPoll, Reactor, Stats, signal};
use serde_json::{Value, json};

/// Echoes of a client before it connects anew, so that accepting is seen too.
const ECHOES: usize = 1_000;

/// How long an echo may take: an armed deadline for each client.
const PATIENCE: Duration = Duration::from_secs(30);

/// What of the stats is a number of the moment. All others but the longest poll are counters.
const OF_THE_MOMENT: [&str; 6] = ["tasks", "runnable", "sources", "waits", "timers", "buffers"];

/// The one that is a maximum.
const LONGEST: &str = "longest_poll_ns";

/// From where the terminal draws, and with nothing below: ECMA-48, cursor position and erase in page.
const HOME: &str = "\x1b[H\x1b[J";

/// Shows the counters of a reactor that is under load.
#[derive(Parser)]
struct Options {
    /// Clients of the echo service, all on the same reactor
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u16).range(0..=10_000))]
    clients: u16,
    /// Time between two tables
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    every: Duration,
    /// Show one table and end
    #[arg(long)]
    once: bool,
    /// One line of JSON in place of each table
    #[arg(long)]
    json: bool,
    /// Draw over the table before, also if this is no terminal
    #[arg(long, conflicts_with = "json")]
    screen: bool,
}

/// What was counted between two readings.
struct Sample {
    /// Since the start.
    elapsed: Duration,
    /// Since the reading before.
    period: Duration,
    before: Stats,
    now: Stats,
    longest: Option<LongestPoll>,
}

impl Sample {
    /// Each counter with what it has come to, and how much of that in a second.
    fn counters(&self) -> impl Iterator<Item = (&'static str, u64, f64)> {
        let seconds = self.period.as_secs_f64();
        let pairs = self.now.fields().into_iter().zip(self.before.fields());
        pairs
            .filter(|((name, _), _)| *name != LONGEST && !OF_THE_MOMENT.contains(name))
            .map(move |((name, now), (_, before))| (name, now, now.wrapping_sub(before) as f64 / seconds))
    }

    /// Each number of the moment.
    fn moment(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.now.fields().into_iter().filter(|(name, _)| OF_THE_MOMENT.contains(name))
    }

    fn table(&self) -> String {
        let mut text = format!("mainspring, after {:.1} s\n\nnow", self.elapsed.as_secs_f64());
        for (name, value) in self.moment() {
            let _ = write!(text, "  {name} {value}");
        }
        let _ = writeln!(text, "\n\n{:<16}{:>16}{:>16}", "counter", "in all", "per second");
        for (name, value, rate) in self.counters() {
            let _ = writeln!(text, "{name:<16}{value:>16}{rate:>16.0}");
        }
        let ratio = |of: u64, by: u64| of as f64 / by.max(1) as f64;
        let (now, before) = (&self.now, &self.before);
        let selects = now.selects - before.selects;
        let (events, polls) = (ratio(now.events - before.events, selects), ratio(now.polls - before.polls, selects));
        let _ = writeln!(text, "\nper call of the selector  events {events:.1}  polls {polls:.1}");
        if let Some(longest) = &self.longest {
            let _ =
                writeln!(text, "longest poll  {:?} of {}", longest.duration, longest.name.as_deref().unwrap_or("main"));
        }
        text
    }

    fn json(&self) -> String {
        let longest = self.longest.as_ref();
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "now": Value::from_iter(self.moment()),
            "total": Value::from_iter(self.counters().map(|(name, value, _)| (name, value))),
            "per_second": Value::from_iter(self.counters().map(|(name, _, rate)| (name, rate))),
            "longest_poll": {
                "nanoseconds": longest.map(|longest| longest.duration.as_nanos() as u64),
                "task": longest.and_then(|longest| longest.name.as_deref()),
            },
        })
        .to_string()
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        spawn_named("echo", async move {
            let mut buffer = [0; 1024];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return io::Result::Ok(());
                }
                stream.write_all(&buffer[..count]).await?;
            }
        });
    }
}

async fn load(address: SocketAddr) -> io::Result<()> {
    loop {
        let stream = TcpStream::connect(address).await?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for _ in 0..ECHOES {
            stream.write_all(&[7; 64]).await?;
            if stream.read(&mut [0; 64]).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The next tick; false if Ctrl-C comes first.
async fn next(ticks: &mut Interval, ctrl_c: &mut signal::Signal) -> io::Result<bool> {
    let mut tick = std::pin::pin!(ticks.tick());
    poll_fn(|cx| {
        if let Poll::Ready(heard) = Pin::new(&mut *ctrl_c).poll(cx) {
            return Poll::Ready(heard.map(|()| false));
        }
        tick.as_mut().poll(cx).map(|_| Ok(true))
    })
    .await
}

async fn watch(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn_named("listener", serve(listener));
    for _ in 0..options.clients {
        spawn_named("client", load(address));
    }

    let mut output = io::stdout();
    let screen = options.screen || (output.is_terminal() && !options.json);
    let mut ctrl_c = signal::ctrl_c();
    let start = Instant::now();
    let mut ticks = interval_at(start + options.every, options.every).missed_ticks(MissedTicks::Skip);
    let (mut read_at, mut before) = (start, Stats::current().unwrap_or_default());
    while next(&mut ticks, &mut ctrl_c).await? {
        let (at, now) = (Instant::now(), Stats::current().unwrap_or_default());
        let (elapsed, period) = (at - start, at - read_at);
        let sample = Sample { elapsed, period, before, now, longest: LongestPoll::current() };
        (read_at, before) = (at, now);
        let text = if options.json { sample.json() } else { sample.table() };
        writeln!(output, "{}{text}", if screen { HOME } else { "" })?;
        if options.once {
            break;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let options = Options::parse();
    let reactor = Reactor::builder().measure_polls(true).build();
    let ended = reactor.and_then(|reactor| reactor.block_on(watch(&options))?);
    match ended {
        // Whoever read it has seen enough, as `top | head` has.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("top: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
