//! The same work as the hand-written loop's by a task of tokio for each connection, on one thread: `http-tokio BUFFER`.
//!
//! Prints `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};

use http_loop::Requests;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

async fn serve(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = Requests::new(buffer);
    loop {
        let count = stream.read(requests.room()).await?;
        if count == 0 {
            return Ok(());
        }
        requests.received(count)?;
        stream.write_all(&requests.answers).await?;
        requests.answers.clear();
    }
}

async fn accept(listener: TcpListener, buffer: usize) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, buffer));
    }
}

fn main() -> io::Result<()> {
    let buffer = env::args().nth(1).and_then(|buffer| buffer.parse().ok());
    let buffer = buffer.ok_or_else(|| io::Error::other("usage: http-tokio BUFFER"))?;
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("ready {}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let (mut leash, _) = listener.accept().await?;
        tokio::spawn(accept(listener, buffer));
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })
}
