//! The echo as futures on Mainspring: a task that accepts, and one for each connection.
//!
//! Written as in any introduction to asynchronous Rust: the buffer stands in the future, reading and writing take
//! turns, and the handles of the tasks are dropped, which lets them run on alone. An error of a connection ends its
//! task and nobody hears of it, as in the other styles.

use std::io;
use std::net::SocketAddr;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::spawn;

use super::{BUFFER, announce};

pub(super) async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        spawn(echo(stream));
    }
}

pub(super) fn serve(address: SocketAddr) -> io::Result<()> {
    mainspring::run(async {
        let listener = TcpListener::bind(address)?;
        announce(listener.local_addr()?)?;
        let (leash, _) = listener.accept().await?;
        spawn(accept(listener));
        leash.read(&mut [0; 1]).await?;
        Ok(())
    })?
}
