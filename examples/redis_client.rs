//! A client of redis: sends commands, and measures how many a second, beside `redis-benchmark`.
//!
//! ```text
//! cargo run --release --example redis_client -- send set greeting hello
//! printf 'incr n\nincr n\nget n\n' | cargo run --release --example redis_client -- pipe
//! cargo run --release --example redis_client -- bench --depth 16
//! ```
//!
//! The client itself is `examples::redis::Redis`: batches over a pool of pipelined connections, which are made anew
//! when they are lost.
#![forbid(unsafe_code)]

use std::io::{self, BufRead, Write};
use std::process::{self, ExitCode};
use std::rc::Rc;
use std::time::Instant;

use clap::{Parser, Subcommand};
use examples::redis::{Command, Redis, Settings, Value};
use mainspring::task::JoinSet;

/// How often each is measured, in turns; the median counts.
const ROUNDS: usize = 5;

/// Sends commands to a redis server
#[derive(Parser)]
struct Options {
    /// Address or name of the server, and its port
    #[arg(long, default_value = "127.0.0.1:6379")]
    server: String,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Send one command and print the answer
    Send {
        /// Its name and its arguments
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Send the commands that stand on the lines of stdin, all together, and print the answers
    Pipe,
    /// Measure SET and GET a second, by this client and by redis-benchmark, and print the ratio
    Bench(Bench),
}

#[derive(Clone, Copy, clap::Args)]
struct Bench {
    /// Connections
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Commands in a batch
    #[arg(long, default_value_t = 16)]
    depth: usize,
    /// Commands in all, for each measurement
    #[arg(long, default_value_t = 200_000)]
    requests: usize,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redis_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let commands = match &options.task {
        Task::Send { words } => vec![command(words.iter().map(String::as_str))?],
        Task::Pipe => {
            let lines = io::stdin().lock().lines().collect::<io::Result<Vec<_>>>()?;
            lines.iter().map(|line| command(line.split_whitespace())).collect::<Result<_, _>>()?
        }
        Task::Bench(bench) => return compare(&options.server, *bench),
    };
    let values = mainspring::run(async {
        let redis = Redis::connect(&*options.server, Settings::default()).await?;
        Ok::<_, Failure>(redis.batch(commands).await?)
    })??;
    let mut text = String::new();
    values.iter().for_each(|value| print(value, 0, &mut text));
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn command<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Command, Failure> {
    let name = words.next().ok_or("a line without a command")?;
    Ok(Command::new(name).args(words))
}

/// As `redis-cli` shows it to a script.
fn print(value: &Value, depth: usize, text: &mut String) {
    let line = match value {
        Value::Simple(line) => line.clone(),
        Value::Error(line) => format!("(error) {line}"),
        Value::Integer(number) => number.to_string(),
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Nil => "(nil)".to_owned(),
        Value::Array(values) => return values.iter().for_each(|value| print(value, depth + 1, text)),
    };
    text.push_str(&format!("{:1$}{line}\n", "", depth.saturating_sub(1) * 2));
}

fn compare(server: &str, bench: Bench) -> Result<(), Failure> {
    let Bench { connections, depth, requests } = bench;
    println!("{requests} commands in batches of {depth}, over {connections} connections; commands a second");
    for name in ["SET", "GET"] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let mut measure_ours = || measure(server, name, bench).map(|rate| ours.push(rate));
            let mut measure_theirs = || redis_benchmark(server, name, bench).map(|rate| theirs.push(rate));
            // Neither is always the first, which has the warmer machine.
            if round % 2 == 0 {
                measure_ours()?;
                measure_theirs()?;
            } else {
                measure_theirs()?;
                measure_ours()?;
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("{name}: {ours:.0} by this client, {theirs:.0} by redis-benchmark, ratio {:.2}", ours / theirs);
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Commands a second of this client.
fn measure(server: &str, name: &str, bench: Bench) -> Result<f64, Failure> {
    mainspring::run(async {
        let Bench { connections, depth, requests } = bench;
        // As many connections as there are tasks, as redis-benchmark has them.
        let redis = Redis::connect(server, Settings { connections, batches: 1, ..Settings::default() }).await?;
        let command = match name {
            "SET" => Command::new("SET").arg("key:bench").arg("xxx"),
            name => Command::new(name).arg("key:bench"),
        };
        let batch: Rc<[Command]> = vec![command; depth].into();
        let batches = requests.div_ceil(depth * connections);
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (redis, batch) = (redis.clone(), batch.clone());
            tasks.spawn(async move {
                for _ in 0..batches {
                    let values = redis.batch(batch.clone()).await.map_err(|error| error.to_string())?;
                    if let Some(Value::Error(words)) = values.iter().find(|value| matches!(value, Value::Error(_))) {
                        return Err(format!("the server refused it: {words}"));
                    }
                }
                Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok((batches * depth * connections) as f64 / start.elapsed().as_secs_f64())
    })?
}

/// Commands a second of `redis-benchmark`.
fn redis_benchmark(server: &str, name: &str, bench: Bench) -> Result<f64, Failure> {
    let (host, port) = server.rsplit_once(':').ok_or("the server has no port")?;
    let numbers = [bench.connections, bench.depth, bench.requests].map(|number| number.to_string());
    let [connections, depth, requests] = &numbers;
    let output = process::Command::new("redis-benchmark")
        .args(["-h", host, "-p", port, "-t", name, "-c", connections, "-P", depth, "-n", requests, "--csv"])
        .output()
        .map_err(|error| format!("redis-benchmark cannot be run, install the package `redis-tools`: {error}"))?;
    let report = String::from_utf8_lossy(&output.stdout);
    let rate = report.lines().find_map(|line| {
        let rest = line.strip_prefix(&format!("\"{name}\",\""))?;
        rest.split('"').next()?.parse().ok()
    });
    Ok(rate.ok_or_else(|| format!("redis-benchmark does not say how many: {report}"))?)
}
