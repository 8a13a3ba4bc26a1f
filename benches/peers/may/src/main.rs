//! The echo on may's coroutines, as its own examples write it: `echo-may THREADS BUFFER`.
//!
//! Prints `ready PORT`, and ends when its first connection does.

use std::env;
use std::io::{self, Read, Write};

use may::net::{TcpListener, TcpStream};

fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count])?;
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [threads, buffer] = &arguments[..] else { return Err(io::Error::other("usage: echo-may THREADS BUFFER")) };
    let buffer = buffer.parse().map_err(io::Error::other)?;
    may::config().set_workers(threads.parse().map_err(io::Error::other)?);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("ready {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let (mut leash, _) = listener.accept()?;
    may::go!(move || {
        while let Ok((stream, _)) = listener.accept() {
            may::go!(move || echo(stream, buffer));
        }
    });
    // Why the count does not matter: its end is what is waited for.
    leash.read(&mut [0; 1]).map(drop)
}
