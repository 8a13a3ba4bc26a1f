//! HTTPS: rustls over a stream of Mainspring, and hyper over rustls, with no adapter that knows the other.
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem -days 30
//! cargo run --release -p interop --example tls -- --cert cert.pem --key key.pem
//! curl -i --cacert cert.pem https://localhost:8443/
//! openssl s_client -connect localhost:8443 -CAfile cert.pem
//! ```
//!
//! TLS 1.3 and 1.2; HTTP/2 and HTTP/1.1, whichever the client prefers. Ctrl-C or SIGTERM lets what is in flight finish.
//! How rustls comes to a connection stands in [`interop::tls`]; `tls_get` is a client.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use examples::options::{Listen, duration};
use examples::stop;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use interop::hyper::{builder, serve_stream};
use interop::tls::{Tls, server_config};
use mainspring::server::{Connection, Server};
use rustls::ServerConfig;

/// Serves HTTPS.
#[derive(Parser)]
#[command(mut_arg("port", |port| port.default_value("8443")))]
struct Options {
    #[command(flatten)]
    listen: Listen,
    /// The certificates, in PEM
    #[arg(long)]
    cert: PathBuf,
    /// Their private key, in PEM
    #[arg(long)]
    key: PathBuf,
    /// How long a handshake may take in all
    #[arg(long, default_value = "10s", value_parser = duration)]
    handshake: Duration,
}

async fn serve(connection: Connection, config: Arc<ServerConfig>, handshake: Duration) -> io::Result<()> {
    let Connection { stream, draining, .. } = connection;
    stream.set_nodelay(true)?;
    let mut tls = Tls::accept(stream, config, handshake).await?;
    let version = tls.session().protocol_version();
    let greeting = Bytes::from(format!("Hello over {}\n", version.and_then(|it| it.as_str()).unwrap_or("TLS")));
    let service = service_fn(move |_: Request<Incoming>| {
        let answer = Response::new(Full::new(greeting.clone()));
        async { Ok::<_, Infallible>(answer) }
    });
    serve_stream(&builder(), tls, draining, service).await
}

fn run(options: Options) -> io::Result<()> {
    let Options { listen, cert, key, handshake } = options;
    let config = server_config(&cert, &key, &["h2", "http/1.1"])?;
    let server = listen.bind(Server::builder())?;
    eprintln!("listening on https://{}", server.local_addr());
    let make = move || {
        let config = config.clone();
        move |connection: Connection| {
            let (peer, config) = (connection.peer, config.clone());
            async move {
                let served = serve(connection, config, handshake).await;
                served.inspect_err(|error| eprintln!("{peer}: {error}"))
            }
        }
    };
    let drained = server.run(make, stop())?;
    eprintln!("served {} connections, of which {} failed", drained.served, drained.failed);
    Ok(())
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls: {error}");
            ExitCode::FAILURE
        }
    }
}
