//! Carries out statements on a Cassandra node, by the native protocol, version 4.
//!
//! ```text
//! cargo run --release --example cassandra -- --server 127.0.0.1:9042 "SELECT key, release_version FROM system.local"
//! cargo run --release --example cassandra -- --server 127.0.0.1:9042 --events
//! ```
//!
//! Several statements are sent at once, and their rows printed in order: the values of a row in a line, with tabs
//! between. `?` in a statement stand for texts that are given with `--value`.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use examples::cassandra::{Consistency, Session, Value};
use examples::options::duration;
use mainspring::net::TcpStream;
use mainspring::task::JoinSet;
use mainspring::time::timeout;

/// Carries out statements on a Cassandra node.
#[derive(Parser)]
struct Options {
    /// The node, as ADDRESS:PORT
    #[arg(long, default_value = "127.0.0.1:9042")]
    server: SocketAddr,
    /// The name to log in with
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// And the password
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// How long all of it may take: 500ms, 5s
    #[arg(long, default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// A text for each `?` of the statements
    #[arg(long)]
    value: Vec<String>,
    /// Print what the node tells of itself and others, until Ctrl-C
    #[arg(long)]
    events: bool,
    /// What is carried out
    statements: Vec<String>,
}

async fn carry_out(session: &Session, options: &Options) -> io::Result<()> {
    let values: Vec<_> = options.value.iter().cloned().map(Value::Text).collect();
    let mut running = JoinSet::new();
    for (place, statement) in options.statements.iter().cloned().enumerate() {
        let (session, values) = (session.clone(), values.clone());
        running.spawn(async move {
            let result = match statement.contains('?') {
                true => session.execute(&statement, &values, Consistency::One).await,
                false => session.query(&statement, Consistency::One).await,
            };
            (place, result)
        });
    }
    let mut results = Vec::new();
    while let Some(result) = running.join_next().await {
        results.push(result.map_err(io::Error::other)?);
    }
    results.sort_unstable_by_key(|(place, _)| *place);
    let mut output = io::stdout().lock();
    for (_, result) in results {
        for row in result?.rows {
            let values: Vec<_> = row.iter().map(ToString::to_string).collect();
            writeln!(output, "{}", values.join("\t"))?;
        }
    }
    Ok(())
}

async fn run(options: Options) -> io::Result<()> {
    let limit = options.timeout;
    let late = |_elapsed| io::Error::new(ErrorKind::TimedOut, format!("it is not done within {limit:?}"));
    let starting = async {
        let stream = TcpStream::connect(options.server).await?;
        stream.set_nodelay(true)?;
        let credentials = options.user.clone().zip(options.password.clone());
        let (session, events) = Session::start(stream, credentials).await?;
        carry_out(&session, &options).await?;
        io::Result::Ok((session, events))
    };
    let (session, mut events) = timeout(limit, starting).await.map_err(late)??;
    if !options.events {
        return Ok(());
    }
    while let Some(event) = events.recv().await {
        writeln!(io::stdout(), "{event}")?;
    }
    drop(session);
    Err(io::Error::new(ErrorKind::UnexpectedEof, "the node has closed the connection"))
}

fn main() -> ExitCode {
    match mainspring::run(run(Options::parse())).and_then(|result| result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cassandra: {error}");
            ExitCode::FAILURE
        }
    }
}
