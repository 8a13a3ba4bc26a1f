//! The echo on monoio, as its own documentation writes it: `echo-monoio DRIVER`, which is `uring` or `epoll`.
//!
//! Prints `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

/// Bytes of the buffer of a connection, as of the other servers.
const BUFFER: usize = 512;

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let (result, read) = stream.read(buffer).await;
        if result? == 0 {
            return Ok(());
        }
        let (result, written) = stream.write_all(read).await;
        result?;
        buffer = written;
        buffer.clear();
    }
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("ready {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let (mut leash, _) = listener.accept().await?;
    monoio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            monoio::spawn(echo(stream));
        }
    });
    leash.read(vec![0; 1]).await.0?;
    Ok(())
}

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        Some("uring") => RuntimeBuilder::<IoUringDriver>::new().build()?.block_on(serve()),
        Some("epoll") => RuntimeBuilder::<LegacyDriver>::new().build()?.block_on(serve()),
        _ => Err(io::Error::other("usage: echo-monoio uring|epoll")),
    }
}
