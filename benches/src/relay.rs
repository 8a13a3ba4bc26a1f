//! A relay between two TCP connections: `net::splice` and `io::copy` beside tokio's copy and a thread that blocks.
//!
//! One thread sends, one receives, and the one between them runs the reactor that relays; all over loopback, where the
//! kernel copies once more on each side. What is compared is the processor time of the thread that relays, from
//! `/proc/thread-self/schedstat`, since its elapsed time depends on who else has the other processors.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{self, TcpListener};
use std::thread;
use std::time::Instant;

use mainspring::io as mainspring_io;
use mainspring::net::{TcpStream, splice};

use crate::interleaved::{Contender, Interleaved};
use crate::report::Report;
use crate::table::Table;
use crate::versions;

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Bytes per turn.
    pub(crate) bytes: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, bytes: 256 << 20 };

/// What the thread in the middle calls.
#[derive(Clone, Copy)]
enum Relay {
    Splice,
    /// With buffers of the reactor's pool, or of so many bytes.
    Copy(Option<usize>),
    /// Its own copy, on one thread.
    Tokio,
    /// Reads and writes, with a buffer of so many bytes.
    Blocking(usize),
}

/// Prints the table.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    eprintln!("relay: {} rounds of {} MiB", size.rounds, size.bytes >> 20);
    let relays = [
        ("splice", Relay::Splice),
        ("splice once more", Relay::Splice),
        ("copy, 16 KiB", Relay::Copy(None)),
        ("copy, 64 KiB", Relay::Copy(Some(64 * 1024))),
        ("tokio, copy", Relay::Tokio),
        ("a thread that blocks, 64 KiB", Relay::Blocking(64 * 1024)),
    ];
    let elapsed = RefCell::new(vec![Vec::new(); relays.len()]);
    let mut contenders: Vec<_> = (0..)
        .zip(relays)
        .map(|(index, (name, relay))| {
            let elapsed = &elapsed;
            Contender::new(name, move || {
                let start = Instant::now();
                let processor = turn(relay, size.bytes)?;
                elapsed.borrow_mut()[index as usize].push(start.elapsed().as_secs_f64() * 1e9 / size.bytes as f64);
                Ok(processor)
            })
        })
        .collect();
    let result = Interleaved::run(size.rounds, &mut contenders)?;
    drop(contenders);
    // The first round is not counted.
    let elapsed = Interleaved::of(elapsed.into_inner().into_iter().map(|turns| turns[1..].to_vec()).collect());
    let mut table = Table::new([
        "relay",
        "microseconds of processor per MiB",
        "times the first",
        "GB per second",
        "times the first",
    ]);
    for (index, (name, _)) in relays.iter().enumerate() {
        let (cost, rate) = (result.cost(index), elapsed.rate(index));
        table.row([
            (*name).to_owned(),
            cost.to_string(),
            result.ratio(index).to_string(),
            format!("{:.2}", 1.0 / elapsed.cost(index).median),
            rate.to_string(),
        ]);
        report.point("Relay: processor us per MiB", name, "relay", cost);
        report.point("Relay: GB per second, times splice", name, "relay", rate);
    }
    println!("{}\n", versions::of(&["mainspring", "tokio"]));
    println!(
        "A relay of {} MiB between two TCP connections; three threads on two processors\n\n{table}",
        size.bytes >> 20
    );
    Ok(())
}

/// Relays `bytes`, and returns the microseconds of processor time per MiB.
fn turn(relay: Relay, bytes: usize) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut source = std::net::TcpStream::connect(address)?;
    let (from, _) = listener.accept()?;
    let mut sink = std::net::TcpStream::connect(address)?;
    let (to, _) = listener.accept()?;
    let sending = thread::spawn(move || {
        let chunk = vec![7; 256 * 1024];
        (0..bytes / chunk.len()).try_for_each(|_| source.write_all(&chunk))
    });
    let receiving = thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        let mut received = 0;
        loop {
            match sink.read(&mut buffer)? {
                0 => return io::Result::Ok(received),
                count => received += count,
            }
        }
    });
    let before = processor_time()?;
    match relay {
        Relay::Blocking(size) => blocking(from, to, size)?,
        Relay::Tokio => on_tokio(from, to)?,
        _ => ours(relay, from, to)?,
    }
    let took = processor_time()? - before;
    let ended = |_| io::Error::other("a thread panicked");
    sending.join().map_err(ended)??;
    if receiving.join().map_err(ended)?? != bytes {
        return Err(io::Error::other("bytes were lost"));
    }
    Ok(took / 1_000.0 / (bytes >> 20) as f64)
}

fn ours(relay: Relay, from: net::TcpStream, to: net::TcpStream) -> io::Result<()> {
    mainspring::run(async {
        let (from, to) = (TcpStream::from_std(from)?, TcpStream::from_std(to)?);
        match relay {
            Relay::Splice => splice(&from, &to).await,
            Relay::Copy(None) => mainspring_io::copy(&mut &from, &mut &to).await,
            Relay::Copy(Some(size)) => mainspring_io::copy_with_size(&mut &from, &mut &to, size).await,
            Relay::Tokio | Relay::Blocking(_) => unreachable!("it is not ours"),
        }
        .map(drop)
    })?
}

fn on_tokio(from: net::TcpStream, to: net::TcpStream) -> io::Result<()> {
    from.set_nonblocking(true)?;
    to.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let mut from = tokio::net::TcpStream::from_std(from)?;
        let mut to = tokio::net::TcpStream::from_std(to)?;
        tokio::io::copy(&mut from, &mut to).await.map(drop)
    })
}

fn blocking(mut from: net::TcpStream, mut to: net::TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

/// Nanoseconds that this thread has been running.
fn processor_time() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| io::Error::other(format!("cannot make sense of schedstat: {text:?}")))
}
