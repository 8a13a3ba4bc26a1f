//! The echo as tick tasks.

use std::io;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Task, Tick, schedule};

pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) buffer: usize,
}

impl Task for Acceptor {
    fn tick(&mut self) -> io::Result<Tick> {
        while let Some((stream, _)) = self.listener.try_accept()? {
            schedule(Echo { stream, buffer: vec![0; self.buffer], start: 0, end: 0 });
        }
        Ok(Tick::WouldBlock)
    }
}

struct Echo {
    stream: TcpStream,
    /// What was read; `start..end` is still to be written.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Task for Echo {
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
