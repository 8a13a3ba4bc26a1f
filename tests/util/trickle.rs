//! A reader whose peer sends the next byte when a read has found nothing: between two bytes there is a "not yet".
use std::io::{self, Read};

use mainspring::channel::mpsc;
use mainspring::net::TcpStream;

use super::connection::connection;

/// The reading end. The writing end is a task, which sends the end-of-file after the last byte.
pub(crate) struct Trickle {
    stream: TcpStream,
    hungry: mpsc::Sender<()>,
}

impl Trickle {
    pub(crate) async fn of(bytes: &[u8]) -> Self {
        let (stream, peer) = connection().await;
        let (hungry, mut asked) = mpsc::unbounded();
        let bytes = bytes.to_vec();
        mainspring::spawn(async move {
            for byte in bytes {
                asked.recv().await;
                peer.write_all(&[byte]).await.unwrap();
            }
            asked.recv().await;
        });
        Self { stream, hungry }
    }
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = Read::read(&mut self.stream, buffer);
        if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.hungry.try_send(()).unwrap();
        }
        read
    }
}
