//! The same work as the loop's by a task of Mainspring for each connection: `http-task BUFFER`.
//!
//! What is between this and the loop is the runtime; what is between this and the HTTP example is a server. Prints
//! `ready PORT`, and ends when its first connection does.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};

use http_loop::Requests;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::spawn;

async fn serve(stream: TcpStream, buffer: usize) -> io::Result<()> {
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
        spawn(serve(stream, buffer));
    }
}

fn main() -> io::Result<()> {
    let buffer = env::args().nth(1).and_then(|buffer| buffer.parse().ok());
    let buffer = buffer.ok_or_else(|| io::Error::other("usage: http-task BUFFER"))?;
    mainspring::run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("ready {}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let (leash, _) = listener.accept().await?;
        spawn(accept(listener, buffer));
        // Why the count does not matter: its end is what is waited for.
        leash.read(&mut [0; 1]).await.map(drop)
    })?
}
