//! The echo as futures.

use std::io;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::spawn;

async fn echo(stream: TcpStream, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

pub(crate) async fn accept(listener: TcpListener, buffer: usize) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        spawn(echo(stream, buffer));
    }
}
