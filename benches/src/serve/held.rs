//! Connections that are held open and idle, each in a task of its own: what memory is measured on.
//!
//! Each echoes what comes, by a read that has no buffer while nothing is there, so an idle connection is its task, its
//! source and nothing else. The process ends with the leash while the connections still stand, so that what they hold
//! is in use to the end.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::process;
use std::time::Duration;

use mainspring::io::PooledBuffer;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::spawn;
use mainspring::tick::{Task, Tick, schedule};

use super::announce;
use crate::style::Style;

/// For the next read: what a server waits for a connection that is idle.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

struct Echo {
    stream: TcpStream,
    /// What is still to be written; none while the connection is idle. Boxed, since it is rare.
    rest: Option<Box<(PooledBuffer, usize)>>,
}

impl Task for Echo {
    fn tick(&mut self) -> io::Result<Tick> {
        loop {
            if let Some(rest) = &mut self.rest {
                let (bytes, written) = &mut **rest;
                let Some(count) = self.stream.try_write(&bytes[*written..])? else { return Ok(Tick::WouldBlock) };
                *written += count;
                if *written < bytes.len() {
                    continue;
                }
                self.rest = None;
            }
            match self.stream.try_read_pooled()? {
                None => return Ok(Tick::WouldBlock),
                Some(bytes) if bytes.is_empty() => return Ok(Tick::Final),
                Some(bytes) => self.rest = Some(Box::new((bytes, 0))),
            }
        }
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    loop {
        let bytes = stream.read_pooled().await?;
        if bytes.is_empty() {
            return Ok(());
        }
        // Why not `write_all`: in a program that calls it twice it is not inlined, also where instructions are counted.
        let mut written = 0;
        while written < bytes.len() {
            written += stream.write_vectored(&[IoSlice::new(&bytes[written..])]).await?;
        }
    }
}

async fn accept(listener: TcpListener, style: Style, deadline: Option<Duration>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_read_timeout(deadline)?;
        match style {
            Style::Tick => drop(schedule(Echo { stream, rest: None })),
            _ => drop(spawn(echo(stream))),
        }
    }
}

pub(crate) fn hold(style: Style, deadlines: bool) -> io::Result<()> {
    if style == Style::Loop {
        return Err(io::Error::other("only tick and async hold connections"));
    }
    mainspring::run(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        announce(listener.local_addr()?)?;
        let (leash, _) = listener.accept().await?;
        spawn(accept(listener, style, deadlines.then_some(DEADLINE)));
        leash.read(&mut [0; 1]).await?;
        process::exit(0)
    })?
}
