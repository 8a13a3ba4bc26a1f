//! The echo as a [`Service`] behind a [`Timeout`](mainspring::service::Timeout): `echo-service service|pipeline`.
//!
//! Called for each read by the future that reads and writes; and on a transport of frames, by the server of a pipelined
//! connection with all its deadlines, which is what the HTTP example is made of. A program of its own, so that the bare
//! echo is measured in one that has nothing else. Prints `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::env;
use std::io::{self, Write};
use std::time::Duration;

use mainspring::codec::{Buffer, Decoder, Encoder, Framed};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::proto::pipeline;
use mainspring::service::{Service, ServiceExt};
use mainspring::spawn;
use mainspring::time::Elapsed;

/// Bytes of the buffer of a connection, as of the other servers, and of a request.
const BUFFER: usize = 512;
const REQUEST: usize = 64;

/// What a request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers a request with itself.
struct Echo;

/// What comes of it: nothing of its own, but for what is around it.
#[derive(Debug)]
struct Failed;

impl From<Elapsed> for Failed {
    fn from(_: Elapsed) -> Self {
        Self
    }
}

impl From<Infallible> for Failed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Failed> for io::Error {
    fn from(_: Failed) -> Self {
        io::ErrorKind::TimedOut.into()
    }
}

impl<Request> Service<Request> for Echo {
    type Response = Request;
    type Error = Failed;

    async fn call(&self, request: Request) -> Result<Request, Failed> {
        Ok(request)
    }
}

/// Frames of the length of a request.
struct Requests;

impl Decoder for Requests {
    type Item = [u8; REQUEST];
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Self::Item>> {
        let Some(request) = buffer.as_slice().first_chunk().copied() else { return Ok(None) };
        buffer.consume(REQUEST);
        Ok(Some(request))
    }
}

impl Encoder<[u8; REQUEST]> for Requests {
    type Error = io::Error;

    fn encode(&mut self, request: [u8; REQUEST], output: &mut Vec<u8>) -> io::Result<()> {
        output.extend_from_slice(&request);
        Ok(())
    }
}

/// Calls the service for each read.
async fn read_call_write(stream: TcpStream) -> io::Result<()> {
    let service = ServiceExt::<&[u8]>::timeout(Echo, TIMEOUT);
    let mut buffer = [0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let answer = service.call(&buffer[..count]).await?;
        let mut written = 0;
        while written < answer.len() {
            written += stream.write(&answer[written..]).await?;
        }
    }
}

async fn pipelined(stream: TcpStream) -> io::Result<()> {
    let service = ServiceExt::<[u8; REQUEST]>::timeout(Echo, TIMEOUT);
    pipeline::serve(Framed::new(stream, Requests), &service).await.map_err(|_| io::ErrorKind::InvalidData.into())
}

async fn accept(listener: TcpListener, is_pipelined: bool) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        if is_pipelined {
            spawn(pipelined(stream));
        } else {
            spawn(read_call_write(stream));
        }
    }
}

fn main() -> io::Result<()> {
    let is_pipelined = match env::args().nth(1).as_deref() {
        Some("service") => false,
        Some("pipeline") => true,
        _ => return Err(io::Error::other("usage: echo-service service|pipeline")),
    };
    mainspring::run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        println!("ready {}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let (leash, _) = listener.accept().await?;
        spawn(accept(listener, is_pipelined));
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })?
}
