//! The echo on Mainspring: `echo-mainspring tick|async BUFFER`.
//!
//! A program of its own, as each peer's is, so that what is timed and what is built are compared like for like. Prints
//! `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

mod futures;
mod ticks;

use std::env;
use std::io::{self, Write};

use mainspring::net::TcpListener;
use mainspring::spawn;
use mainspring::tick::schedule;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [style, buffer] = &arguments[..] else {
        return Err(io::Error::other("usage: echo-mainspring tick|async BUFFER"));
    };
    let buffer = buffer.parse().map_err(io::Error::other)?;
    mainspring::run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        println!("ready {}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let (leash, _) = listener.accept().await?;
        match style.as_str() {
            "tick" => drop(schedule(ticks::Acceptor { listener, buffer })),
            "async" => drop(spawn(futures::accept(listener, buffer))),
            _ => return Err(io::Error::other("a style is tick or async")),
        }
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })?
}
