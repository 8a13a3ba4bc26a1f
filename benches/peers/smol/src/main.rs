//! The echo on smol's parts, as its own documentation writes it: `echo-smol THREADS BUFFER`.
//!
//! One thread runs an executor of its own, more run one that they share. Prints `ready PORT`, and ends when its first
//! connection does.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::{env, future, thread};

use async_executor::{Executor, LocalExecutor};
use async_io::{Async, block_on};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

async fn echo(mut stream: Async<TcpStream>, buffer: usize) -> io::Result<()> {
    stream.get_ref().set_nodelay(true)?;
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

/// Announces itself and takes the first connection.
async fn start() -> io::Result<(Async<TcpListener>, Async<TcpStream>)> {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    println!("ready {}", listener.get_ref().local_addr()?.port());
    io::stdout().flush()?;
    let (leash, _) = listener.accept().await?;
    Ok((listener, leash))
}

async fn accept(listener: Async<TcpListener>, spawn: impl Fn(Async<TcpStream>)) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        spawn(stream);
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [threads, buffer] = &arguments[..] else { return Err(io::Error::other("usage: echo-smol THREADS BUFFER")) };
    let buffer: usize = buffer.parse().map_err(io::Error::other)?;
    let threads: usize = threads.parse().map_err(io::Error::other)?;
    if threads == 1 {
        let executor = Rc::new(LocalExecutor::new());
        return block_on(executor.run(async {
            let (listener, mut leash) = start().await?;
            let spawner = Rc::clone(&executor);
            executor.spawn(accept(listener, move |stream| spawner.spawn(echo(stream, buffer)).detach())).detach();
            leash.read(&mut [0; 1]).await.map(drop)
        }));
    }
    let executor = Arc::new(Executor::new());
    for _ in 1..threads {
        let executor = Arc::clone(&executor);
        thread::spawn(move || block_on(executor.run(future::pending::<()>())));
    }
    block_on(executor.run(async {
        let (listener, mut leash) = start().await?;
        let spawner = Arc::clone(&executor);
        executor.spawn(accept(listener, move |stream| spawner.spawn(echo(stream, buffer)).detach())).detach();
        leash.read(&mut [0; 1]).await.map(drop)
    }))
}
