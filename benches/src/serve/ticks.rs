//! The echo as tick tasks of Mainspring: one for the listener, one for each connection.
//!
//! A complete one, where the hand-written loop leaves out what this client never needs: what a write leaves over is
//! written before anything else is read, whatever the size of a request. The tick reads until it is told "not yet",
//! which for a short read costs no system call. Leaving it after one read would save that question and be no less
//! correct, but it is not how one writes it.

use std::io;
use std::net::SocketAddr;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Task, Tick, schedule};

use super::{BUFFER, announce};

struct Acceptor(TcpListener);

impl Task for Acceptor {
    fn tick(&mut self) -> io::Result<Tick> {
        while let Some((stream, _)) = self.0.try_accept()? {
            schedule(Echo { stream, buffer: [0; BUFFER], start: 0, end: 0 });
        }
        Ok(Tick::WouldBlock)
    }
}

struct Echo {
    stream: TcpStream,
    /// What was read; `start..end` is still to be written.
    buffer: [u8; BUFFER],
    start: usize,
    end: usize,
}

impl Task for Echo {
    #[inline]
    fn tick(&mut self) -> io::Result<Tick> {
        loop {
            while self.start < self.end {
                let Some(count) = self.stream.try_write(&self.buffer[self.start..self.end])? else {
                    return Ok(Tick::WouldBlock);
                };
                self.start += count;
            }
            match self.stream.try_read(&mut self.buffer)? {
                None => return Ok(Tick::WouldBlock),
                Some(0) => return Ok(Tick::Final),
                Some(count) => (self.start, self.end) = (0, count),
            }
        }
    }
}

pub(super) fn serve(address: SocketAddr) -> io::Result<()> {
    mainspring::run(async {
        let listener = TcpListener::bind(address)?;
        announce(listener.local_addr()?)?;
        let (leash, _) = listener.accept().await?;
        schedule(Acceptor(listener));
        leash.read(&mut [0; 1]).await?;
        Ok(())
    })?
}
