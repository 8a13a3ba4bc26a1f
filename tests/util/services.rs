//! Services made of the public API, one in each style, that say how each of their connections ended.
use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::rc::Rc;

use mainspring::codec::Framed;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::proto::pipeline::{self, ServeError};
use mainspring::tick::{Tick, schedule};

use super::http::{Http, Same};
use super::peers::Protocol;

/// In what style a service is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// An echo of futures.
    Async,
    /// An echo of ticks.
    Ticks,
    /// An echo of vectored futures, whose descriptors are handed out.
    Vectored,
    /// HTTP over a codec and a pipeline.
    Http,
}

impl Style {
    pub(crate) const ALL: [Self; 4] = [Self::Async, Self::Ticks, Self::Vectored, Self::Http];

    pub(crate) fn protocol(self) -> Protocol {
        if self == Self::Http { Protocol::Http } else { Protocol::Echo }
    }

    async fn serve(self, stream: TcpStream) -> io::Result<()> {
        match self {
            Self::Async => echo(stream).await,
            Self::Ticks => schedule(ticking(stream)).await.map_err(|error| io::Error::other(error.to_string()))?,
            Self::Vectored => vectored(stream).await,
            Self::Http => match pipeline::serve(Framed::new(stream, Http), &Same).await {
                Err(ServeError::Transport(error) | ServeError::Service(error)) => Err(error),
                other => other.map_err(io::Error::other),
            },
        }
    }
}

/// How connections ended, in that order.
pub(crate) type Ends = Rc<RefCell<Vec<io::Result<()>>>>;

/// Serves until the listener fails, and returns the error.
pub(crate) async fn serve(style: Style, listener: TcpListener, ends: Ends) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let ends = ends.clone();
                drop(mainspring::spawn(async move {
                    let end = style.serve(stream).await;
                    ends.borrow_mut().push(end);
                }));
            }
            Err(error) => return error,
        }
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1_000];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

async fn vectored(stream: TcpStream) -> io::Result<()> {
    let _ = stream.as_fd();
    let (mut first, mut second) = ([0; 300], [0; 700]);
    loop {
        let count = stream.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]).await?;
        if count == 0 {
            return Ok(());
        }
        let (mut head, mut tail) = (&first[..count.min(300)], &second[..count.saturating_sub(300)]);
        while !head.is_empty() || !tail.is_empty() {
            let written = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await?;
            tail = &tail[written.saturating_sub(head.len())..];
            head = &head[written.min(head.len())..];
        }
    }
}

fn ticking(stream: TcpStream) -> impl FnMut() -> io::Result<Tick> {
    let (mut buffer, mut from, mut to) = ([0; 1_000], 0, 0);
    move || {
        if from == to {
            match stream.try_read(&mut buffer)? {
                None => return Ok(Tick::WouldBlock),
                Some(0) => return Ok(Tick::Final),
                Some(count) => (from, to) = (0, count),
            }
        }
        from += stream.try_write(&buffer[from..to])?.unwrap_or(0);
        Ok(Tick::WouldBlock)
    }
}
