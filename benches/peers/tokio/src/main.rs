//! The echo on tokio, as its own documentation writes it: `echo-tokio FLAVOUR THREADS BUFFER`.
//!
//! `current` and `multi` are its two schedulers; `reuseport` is as many schedulers of the first kind as threads, each
//! with a listener of its own on the same port. Prints `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::{env, thread};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// Connections that wait to be accepted: as of the other servers.
const BACKLOG: u32 = 4096;

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn accept(listener: TcpListener, buffer: usize) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream, buffer));
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    // Connections have it from their listener, without a call for each.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn current_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().build()
}

/// A runtime for this thread, whose first connection ends the process, and others for the rest.
fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flavour, threads, buffer] = &arguments[..] else {
        return Err(io::Error::other("usage: echo-tokio FLAVOUR THREADS BUFFER"));
    };
    let buffer = buffer.parse().map_err(io::Error::other)?;
    let threads: usize = threads.parse().map_err(io::Error::other)?;
    let (runtime, others) = match flavour.as_str() {
        "current" => (current_thread()?, 0),
        "multi" => (Builder::new_multi_thread().worker_threads(threads).enable_io().build()?, 0),
        "reuseport" => (current_thread()?, threads - 1),
        _ => return Err(io::Error::other("a flavour is current, multi or reuseport")),
    };
    runtime.block_on(async {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        println!("ready {}", address.port());
        io::stdout().flush()?;
        let (mut leash, _) = listener.accept().await?;
        for _ in 0..others {
            thread::spawn(move || current_thread()?.block_on(async { accept(listen(address)?, buffer).await }));
        }
        tokio::spawn(accept(listener, buffer));
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })
}
