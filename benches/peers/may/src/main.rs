//! The echo on may's coroutines, as its own examples write it: `echo-may THREADS`.
//!
//! Prints `ready PORT`, and ends when its first connection does.

use std::env;
use std::io::{self, Read, Write};

use may::net::{TcpListener, TcpStream};

/// Bytes of the buffer of a connection, as of the other servers.
const BUFFER: usize = 512;

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; BUFFER];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count])?;
    }
}

fn main() -> io::Result<()> {
    let threads = env::args().nth(1).ok_or_else(|| io::Error::other("usage: echo-may THREADS"))?;
    may::config().set_workers(threads.parse().map_err(io::Error::other)?);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("ready {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let (mut leash, _) = listener.accept()?;
    may::go!(move || {
        while let Ok((stream, _)) = listener.accept() {
            may::go!(move || echo(stream));
        }
    });
    // Why the count does not matter: its end is what is waited for.
    leash.read(&mut [0; 1]).map(drop)
}
