//! An HTTPS client: a request by hand, over rustls, over a stream of Mainspring.
//!
//! ```text
//! cargo run -p interop --example tls_get -- --ca cert.pem localhost 8443 /
//! ```
//!
//! Prints the answer, head and body. It asks for HTTP/1.0, so the end of the answer is the end of the stream: one that
//! is cut off, without the goodbye of TLS, is an error and no short answer.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use interop::tls::{HANDSHAKE, Tls, client_config, server_name};
use mainspring::net::TcpStream;
use mainspring::time::timeout;

/// Bytes of an answer at most.
const ANSWER_MAX: usize = 64 << 20;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gets a page over TLS.
#[derive(Parser)]
struct Options {
    /// Whom to trust, in PEM
    #[arg(long)]
    ca: PathBuf,
    /// The host, which has to show a certificate for this name
    host: String,
    /// Its port
    port: u16,
    /// What to get
    path: String,
}

async fn get(Options { ca, host, port, path }: Options) -> io::Result<Vec<u8>> {
    let config = client_config(&ca)?;
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    let mut tls = Tls::connect(stream, config, server_name(&host)?, HANDSHAKE).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    mainspring::io::write_all(&mut tls, request.as_bytes()).await?;
    mainspring::io::flush(&mut tls).await?;
    let mut answer = Vec::new();
    mainspring::io::read_to_end(&mut tls, &mut answer, ANSWER_MAX).await?;
    Ok(answer)
}

fn run(options: Options) -> io::Result<()> {
    let answer = mainspring::run(timeout(PATIENCE, get(options)))???;
    io::stdout().write_all(&answer)
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls_get: {error}");
            ExitCode::FAILURE
        }
    }
}
