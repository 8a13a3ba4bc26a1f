//! Asks name servers, as `dig` does in short.
//!
//! ```text
//! cargo run --release --example dns -- --server 127.0.0.1:5300 example.org AAAA
//! cargo run --release --example dns -- --server 127.0.0.1:5300 --follow _http._tcp.example.org SRV
//! ```
//!
//! A question goes out by datagram, under an id that nobody can guess, and again over a connection if the answer does
//! not fit; one that is not answered is asked again, elsewhere if there are several servers. Prints a record on each
//! line; that there is none is a failure. With `--follow` it prints the endpoints of a host or a service, as a balancer
//! hears of them.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use examples::dns::{Changes, Client, Code, Kind, Name, Question, Refresh, Settings, Target};
use examples::options::duration;
use futures_core::Stream;
use mainspring::service::Service;
use mainspring::service::balance::Change;

/// Asks name servers.
#[derive(Parser)]
struct Options {
    /// Of whom is asked
    name: Name,
    /// What is asked: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, or TYPE and a number
    #[arg(default_value = "A")]
    kind: Kind,
    /// The name server, as ADDRESS:PORT; may be given several times
    #[arg(long, required = true)]
    server: Vec<SocketAddr>,
    /// Ask over TCP alone
    #[arg(long)]
    tcp: bool,
    /// How long all of it may take: 500ms, 5s
    #[arg(long, default_value = "5s", value_parser = duration)]
    timeout: Duration,
    /// How long one attempt may take
    #[arg(long, default_value = "1s", value_parser = duration)]
    attempt_timeout: Duration,
    /// How often it is asked, in all
    #[arg(long, default_value_t = 3)]
    attempts: u32,
    /// Print the endpoints as they change, until Ctrl-C: of a service if SRV is asked for, else of a host
    #[arg(long)]
    follow: bool,
    /// The port of a host whose endpoints are printed
    #[arg(long, default_value_t = 80)]
    port: u16,
}

async fn ask(options: &Options) -> io::Result<()> {
    let Options { attempts, attempt_timeout, timeout, tcp, .. } = *options;
    let client = Client::new(options.server.clone(), Settings { attempts, attempt_timeout, timeout, tcp_only: tcp });
    if options.follow {
        return follow(client, options).await;
    }
    let answer = client.call(Question { name: options.name.clone(), kind: options.kind }).await?;
    if answer.code != Code::NO_ERROR {
        return Err(io::Error::other(answer.code.to_string()));
    }
    for record in &answer.records {
        writeln!(io::stdout(), "{record}")?;
    }
    if answer.records.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no such record"));
    }
    Ok(())
}

async fn follow(client: Client, options: &Options) -> io::Result<()> {
    let target = match options.kind {
        Kind::SRV => Target::Service(options.name.clone()),
        _ => Target::Host(options.name.clone(), options.port),
    };
    let mut changes = pin!(Changes::new(client, target, Refresh::default()));
    while let Some(change) = poll_fn(|cx| changes.as_mut().poll_next(cx)).await {
        match change {
            Change::Insert { key, weight, priority, .. } => writeln!(io::stdout(), "+ {key} {priority} {weight}")?,
            Change::Remove(address) => writeln!(io::stdout(), "- {address}")?,
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let options = Options::parse();
    match mainspring::run(ask(&options)).and_then(|result| result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dns: {} {}: {error}", options.name, options.kind);
            ExitCode::FAILURE
        }
    }
}
