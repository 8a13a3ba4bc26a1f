//! Remote procedure calls: a server, and a client of it.
//!
//! ```text
//! cargo run --release --example rpc -- --port 7000
//! cargo run --release --example rpc -- --to 127.0.0.1:7000 add 2 3
//! cargo run --release --example rpc -- --to 127.0.0.1:7000 count 1 1000000
//! cargo run --release --example rpc -- --to 127.0.0.1:7000 --timeout 500ms sleep 5000
//! ```
//!
//! The methods are types that both sides know. The client is behind the crate's `Deadline` and `Retry`; when it goes
//! away, or its time is over, the server stops working for it. Ctrl-C lets the server finish what it has begun.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use examples::options::{Listen, duration};
use examples::rpc::{Client, Error, Method, Server, StreamMethod, call};
use examples::stop;
use mainspring::net::TcpStream;
use mainspring::server::{self, Connection};
use mainspring::service::{Deadline, Retry, Service, ServiceBuilder, ServiceExt, service_fn};
use mainspring::time::sleep;

/// Calls methods of a server, or is one.
#[derive(Parser)]
#[command(mut_arg("port", |port| port.default_value("7000")))]
struct Options {
    #[command(flatten)]
    listen: Listen,
    /// Calls of a connection that are carried out at once; further ones are refused
    #[arg(long, default_value_t = 64)]
    calls: usize,
    /// The server that is called, as ADDRESS:PORT; without it, this is one
    #[arg(long)]
    to: Option<SocketAddr>,
    /// How long a call may take: 500ms, 5s
    #[arg(long, default_value = "5s", value_parser = duration)]
    timeout: Duration,
    #[command(subcommand)]
    method: Option<Called>,
}

/// What is called.
#[derive(Subcommand)]
enum Called {
    /// Adds two numbers
    Add { one: u64, other: u64 },
    /// Counts from one number to another, each of them on a line
    Count { from: u64, to: u64 },
    /// Answers after so many milliseconds
    Sleep { milliseconds: u64 },
}

struct Add;

impl Method for Add {
    const NUMBER: u32 = 1;
    type Request = (u64, u64);
    type Response = u64;
}

struct Count;

impl StreamMethod for Count {
    const NUMBER: u32 = 2;
    type Request = (u64, u64);
    type Item = u64;
}

struct Sleep;

impl Method for Sleep {
    const NUMBER: u32 = 3;
    type Request = u64;
    type Response = ();
}

fn methods() -> Server {
    Server::new()
        .on::<Add>(async |(one, other)| one.checked_add(other).ok_or_else(|| format!("{one} and {other} are too much")))
        .on_stream::<Count>(async |(from, to), items| {
            for number in from..=to {
                items.send(&number).await?;
            }
            Ok(())
        })
        .on::<Sleep>(async |milliseconds| {
            sleep(Duration::from_millis(milliseconds)).await;
            Ok(())
        })
}

fn serve(listen: &Listen, calls: usize) -> io::Result<()> {
    // Why no idle timeout: the deadlines of the protocol cover each phase of a connection.
    let server = listen.bind(server::Server::builder().idle(None))?;
    eprintln!("listening on {}", server.local_addr());
    let make = move || {
        let methods = Rc::new(methods().calls(calls));
        move |connection: Connection| {
            let methods = methods.clone();
            async move { methods.serve(connection.stream, connection.draining).await }
        }
    };
    let drained = server.run(make, stop())?;
    eprintln!("stopped: {} connections served, {} cut off", drained.served, drained.aborted);
    Ok(())
}

async fn ask(server: SocketAddr, method: Called) -> io::Result<()> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let client = Client::new(stream);
    // A call that the server has not begun is made again.
    let retry = Retry::new().classifier(Error::classify::<Vec<u8>>);
    let service = ServiceBuilder::new().filter(retry).service(client.clone());
    let mut output = io::stdout().lock();
    match method {
        Called::Add { one, other } => {
            let sum = call::<Add, _>(&service, &(one, other)).await.map_err(io::Error::other)?;
            writeln!(output, "{sum}")
        }
        Called::Sleep { milliseconds } => call::<Sleep, _>(&service, &milliseconds).await.map_err(io::Error::other),
        Called::Count { from, to } => {
            let mut numbers = client.stream::<Count>(&(from, to));
            while let Some(number) = numbers.next().await {
                writeln!(output, "{}", number.map_err(io::Error::other)?)?;
            }
            Ok(())
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    let (Some(server), Some(method)) = (options.to, options.method) else {
        return serve(&options.listen, options.calls);
    };
    // All that is called within has this deadline, and sends what is left of it.
    let deadline = Deadline::within(options.timeout);
    mainspring::run(
        service_fn(async |(server, method)| ask(server, method).await).filter(deadline).call((server, method)),
    )?
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rpc: {error}");
            ExitCode::FAILURE
        }
    }
}
