//! Whether a task that reads an endless stream keeps the others of its reactor waiting.
//!
//! A hundred connections send a request of 64 bytes each, and the next when the answer has come; a cost is the 99th
//! percentile of their times. In one row a further task of the reactor reads from a stream that never ends, and another
//! writes it, at most as much in a poll as is read in one: a flood that leaves the client its processor, with its
//! writing. In the two rows before it a thread writes the stream. That is one busy thread more than two processors have
//! room for, so what it costs is shown as well: the same flood read by a thread of its own is nothing to the reactor.
//! All in one process: the server, the client and the flood are threads.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mainspring::channel::oneshot;
use mainspring::{Handle, Reactor, RemoteJoinHandle, io::write_all, net, spawn};

use crate::interleaved::{Contender, Interleaved};
use crate::load;
use crate::report::Report;
use crate::table::Table;

/// The buffer of the flood at both ends, in bytes.
const BUFFER: usize = 64 << 10;

/// How much is run.
pub(crate) struct Size {
    pub(crate) rounds: usize,
    pub(crate) connections: usize,
    /// Requests of a turn.
    pub(crate) requests: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, connections: 100, requests: 5_000 };

/// What the reactor's own flood may cost, times the row without one.
const FIGURE: f64 = 2.0;

/// Prints the table.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    eprintln!("flood: {} rounds of {} requests", size.rounds, size.requests);
    let server = Server::start()?;
    let elsewhere = TcpListener::bind("127.0.0.1:0")?;
    let elsewhere_address = elsewhere.local_addr()?;
    // It ends with the process: what it waits for is a connection that may not come.
    thread::spawn(move || elsewhere.incoming().flatten().for_each(|stream| swallow(&stream)));
    let mut contenders = vec![
        Contender::new("no flood", || slowest(&server, &size)),
        Contender::new("no flood, again", || slowest(&server, &size)),
        Contender::new("written by a thread, read by another", || {
            let _flood = Flood::start(elsewhere_address)?;
            slowest(&server, &size)
        }),
        Contender::new("written by a thread, read by a task of the reactor", || {
            let _flood = Flood::start(server.flooded)?;
            slowest(&server, &size)
        }),
        Contender::new("written and read by tasks of the reactor", || {
            let _flood = InReactor::start(&server)?;
            slowest(&server, &size)
        }),
    ];
    let run = Interleaved::run(size.rounds, &mut contenders)?;
    let mut table = Table::new(["flood", "p99, us", "times without", "at most"]);
    for (nth, name) in contenders.iter().map(Contender::name).enumerate() {
        report.point("Flood: p99, us", name, "100 connections", run.cost(nth));
        report.point("Flood: p99, times without", name, "100 connections", run.ratio(nth));
        let figure = if nth == contenders.len() - 1 { format!("{FIGURE:.0}") } else { String::new() };
        table.row([name.to_owned(), run.cost(nth).to_string(), run.ratio(nth).to_string(), figure]);
    }
    println!("Requests of {} connections beside an endless stream\n\n{table}", size.connections);
    drop(contenders);
    server.end()
}

/// The 99th percentile of the times of all requests, in microseconds.
fn slowest(server: &Server, size: &Size) -> io::Result<f64> {
    let mut times = Vec::with_capacity(size.requests);
    load::echo_timed(server.address, size.connections, size.requests, |time| times.push(time))?;
    times.sort_unstable();
    Ok(times[times.len() * 99 / 100].as_secs_f64() * 1e6)
}

/// A reactor that echoes, and swallows what comes to another address.
struct Server {
    address: SocketAddr,
    flooded: SocketAddr,
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let (echoing, flooded) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (address, flooded_address) = (echoing.local_addr()?, flooded.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let (started, handle) = mpsc::channel();
        let thread = thread::spawn(move || {
            let reactor = Reactor::new()?;
            // Why ignored: who started the thread waits for it.
            let _ = started.send(reactor.handle());
            reactor.block_on(async {
                let (echoing, flooded) = (net::TcpListener::from_std(echoing)?, net::TcpListener::from_std(flooded)?);
                spawn(async move {
                    while let Ok((stream, _)) = echoing.accept().await {
                        spawn(echo(stream));
                    }
                });
                spawn(async move {
                    while let Ok((stream, _)) = flooded.accept().await {
                        spawn(async move {
                            let mut buffer = vec![0; BUFFER];
                            while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                        });
                    }
                });
                // Why ignored: a sender that is dropped is a stop as well.
                let _ = stopped.await;
                Ok(())
            })?
        });
        match handle.recv() {
            Ok(handle) => Ok(Self { address, flooded: flooded_address, handle, stop, thread }),
            Err(_) => Err(ended(thread).err().unwrap_or_else(|| io::Error::other("the server has ended"))),
        }
    }

    fn end(self) -> io::Result<()> {
        // Why ignored: a server that has failed says so below.
        let _ = self.stop.send(());
        ended(self.thread)
    }
}

fn ended(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().map_err(|_| io::Error::other("the server has panicked"))?
}

async fn echo(stream: net::TcpStream) -> io::Result<()> {
    let mut buffer = [0; 512];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => write_all(&mut &stream, &buffer[..count]).await?,
        }
    }
}

/// A thread that writes as fast as it is read, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let buffer = vec![0; BUFFER];
            while !stopped.load(Ordering::Relaxed) && stream.write_all(&buffer).is_ok() {}
        });
        // The stream is to be flowing when the first request is sent.
        thread::sleep(Duration::from_millis(20));
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Why ignored: it has nothing to say.
            let _ = thread.join();
        }
    }
}

/// A task of the server's reactor that writes as fast as it is read, until this is dropped.
struct InReactor(RemoteJoinHandle<io::Result<()>>);

impl InReactor {
    fn start(server: &Server) -> io::Result<Self> {
        let address = server.flooded;
        let (flowing, flows) = oneshot::channel();
        let task = server.handle.spawn(move || async move {
            let stream = net::TcpStream::connect(address).await?;
            let buffer = vec![0; BUFFER];
            write_all(&mut &stream, &buffer).await?;
            // Why ignored: whoever waits for it has gone.
            let _ = flowing.send(());
            loop {
                write_all(&mut &stream, &buffer).await?;
            }
        });
        // Gone with the task that could not connect, which then says why.
        if server.handle.call(move || flows).map_err(io::Error::other)?.is_err() {
            return Err(io::Error::other("the flood has not begun"));
        }
        Ok(Self(task))
    }
}

impl Drop for InReactor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads to the end.
fn swallow(mut stream: &TcpStream) {
    let mut buffer = vec![0; BUFFER];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}
