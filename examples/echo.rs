//! An echo server: what a connection sends comes back, in three styles over the same socket.
//!
//! ```text
//! cargo run --release --example echo -- --style tick
//! nc 127.0.0.1 7000
//! ```
//!
//! Each style holds one buffer per connection, reads nothing while bytes of it are unwritten, and so passes the pace of
//! a slow reader on to the sender. A peer that has closed its half gets the rest of its bytes before the connection
//! ends.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;

use clap::{Parser, ValueEnum, value_parser};
use examples::options::Listen;
use examples::stop;
use mainspring::net::TcpStream;
use mainspring::server::{Connection, Draining, Server};
use mainspring::tick::{Task, Tick, schedule};

/// Sends back what it receives.
#[derive(Parser)]
#[command(mut_arg("port", |port| port.default_value("7000")))]
struct Options {
    #[command(flatten)]
    listen: Listen,
    /// How a connection is written
    #[arg(long, value_enum, default_value_t = Style::Async)]
    style: Style,
    /// Bytes that each connection holds
    #[arg(long, value_name = "BYTES", default_value_t = 16_384, value_parser = value_parser!(u32).range(1..))]
    buf: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Style {
    /// Futures of the stream
    Async,
    /// A state machine that is ticked
    Tick,
    /// A state machine over std's `Read` and `Write`
    Std,
}

/// The async style: the position is kept by `write_all`.
async fn echo_async(stream: &TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

/// What the other two styles keep of a connection from one try to the next.
struct Echo<T> {
    stream: T,
    buffer: Vec<u8>,
    /// The part of `buffer` that has been read and not been written.
    unwritten: Range<usize>,
}

impl<T> Echo<T> {
    fn new(stream: T, size: usize) -> Self {
        Self { stream, buffer: vec![0; size], unwritten: 0..0 }
    }
}

/// The tick style: `None` is "not yet", and whatever said so is what the task waits for.
impl Task for Echo<Rc<TcpStream>> {
    fn tick(&mut self) -> io::Result<Tick> {
        loop {
            while !self.unwritten.is_empty() {
                let Some(count) = self.stream.try_write(&self.buffer[self.unwritten.clone()])? else {
                    return Ok(Tick::WouldBlock);
                };
                self.unwritten.start += count;
            }
            match self.stream.try_read(&mut self.buffer)? {
                None => return Ok(Tick::WouldBlock),
                Some(0) => return Ok(Tick::Final),
                Some(count) => self.unwritten = 0..count,
            }
        }
    }
}

/// The std style: it knows nothing of Mainspring. `WouldBlock` leaves it as an error, and it can be taken up again.
impl<T: Read + Write> Echo<T> {
    fn resume(&mut self) -> io::Result<()> {
        loop {
            while !self.unwritten.is_empty() {
                match self.stream.write(&self.buffer[self.unwritten.clone()])? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    count => self.unwritten.start += count,
                }
            }
            match self.stream.read(&mut self.buffer)? {
                0 => return Ok(()),
                count => self.unwritten = 0..count,
            }
        }
    }
}

async fn serve(connection: Connection, style: Style, size: usize) -> io::Result<()> {
    let Connection { stream, draining, .. } = connection;
    let stream = Rc::new(stream);
    match style {
        Style::Async => drained(&stream, draining, echo_async(&stream, size)).await,
        Style::Tick => drained(&stream, draining, schedule(Echo::new(stream.clone(), size))).await?,
        Style::Std => {
            let mut echo = Echo::new(&*stream, size);
            drained(&stream, draining, mainspring::ready(|| echo.resume())).await
        }
    }
}

/// Runs `echo`. When the server drains, the stream ends after what has arrived, and `echo` with it.
async fn drained<F: Future>(stream: &TcpStream, mut draining: Draining, echo: F) -> F::Output {
    let mut echo = pin!(echo);
    let ended = poll_fn(|cx| match echo.as_mut().poll(cx) {
        Poll::Ready(end) => Poll::Ready(Some(end)),
        Poll::Pending => Pin::new(&mut draining).poll(cx).map(|()| None),
    });
    if let Some(end) = ended.await {
        return end;
    }
    // Why ignored: a connection that has failed ends without being told.
    let _ = stream.shutdown(Shutdown::Read);
    echo.await
}

fn run(options: &Options) -> io::Result<()> {
    let (style, size) = (options.style, options.buf as usize);
    let server = options.listen.bind(Server::builder())?;
    eprintln!("echo on {}", server.local_addr());
    let drained = server.run(move || move |connection| serve(connection, style, size), stop())?;
    eprintln!("served {} connections, of which {} failed", drained.served, drained.failed);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}
