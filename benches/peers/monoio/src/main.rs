//! The echo on monoio, as its own documentation writes it: `echo-monoio uring|epoll BUFFER`.
//!
//! Prints `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(buffer);
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

async fn serve(buffer: usize) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("ready {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let (mut leash, _) = listener.accept().await?;
    monoio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            monoio::spawn(echo(stream, buffer));
        }
    });
    leash.read(vec![0; 1]).await.0?;
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [driver, buffer] = &arguments[..] else {
        return Err(io::Error::other("usage: echo-monoio uring|epoll BUFFER"));
    };
    let buffer = buffer.parse().map_err(io::Error::other)?;
    match driver.as_str() {
        "uring" => RuntimeBuilder::<IoUringDriver>::new().build()?.block_on(serve(buffer)),
        "epoll" => RuntimeBuilder::<LegacyDriver>::new().build()?.block_on(serve(buffer)),
        _ => Err(io::Error::other("a driver is uring or epoll")),
    }
}
