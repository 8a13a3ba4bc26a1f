//! Clients that dribble, say nothing or do not read, by the hundred, at a server without a setting. `SLOW_CLIENTS` says
//! by how many hundreds or thousands; each takes two descriptors of this process.
#![cfg(feature = "service")]

mod util;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use mainspring::codec::{Framed, Lines};
use mainspring::net::TcpStream;
use mainspring::server::Connection;
use mainspring::service::service_fn;
use mainspring::time::{Instant, sleep};
use mainspring::{Server, spawn, yield_now};

use util::heap::Heap;
use util::runtime::{in_virtual_time, stats};

#[global_allocator]
static HEAP: Heap = Heap;

const SECOND: Duration = Duration::from_secs(1);

/// What one slow client may take of the server: the first read of 8 KiB, which is what `Framed` states, and as much
/// again for its task, its tables and its timer.
const BYTES_PER_CLIENT: isize = 16 * 1024;

/// Bytes of an answer to a client that does not read.
const ANSWER: usize = 4096;

/// What one client that does not read may take: 64 KiB of unwritten bytes and an answer, in a vector that grows by
/// doubling; 32 answers that wait; one read of 64 KiB; and the rest.
const BYTES_PER_DEAF_CLIENT: isize = 2 * 64 * 1024 + 34 * ANSWER as isize + 64 * 1024 + BYTES_PER_CLIENT;

fn clients() -> usize {
    std::env::var("SLOW_CLIENTS").map_or(300, |count| count.parse().expect("SLOW_CLIENTS is a number"))
}

/// Answers a line with itself, `much` with a page.
async fn serve(connection: Connection) -> io::Result<()> {
    let (stream, server) = connection.pipeline()?;
    let service =
        service_fn(async |line: String| io::Result::Ok(if line == "much" { "x".repeat(ANSWER) } else { line }));
    server.serve(Framed::new(stream, Lines::new()), &service).await.map_err(io::Error::other)
}

/// Sends a byte of a line each second until the peer closes, and says when that was.
async fn dribble(address: SocketAddr) -> Duration {
    let stream = TcpStream::connect(address).await.unwrap();
    let start = Instant::now();
    while stream.write_all(b"x").await.is_ok() && !is_closed(&stream) {
        sleep(SECOND).await;
    }
    start.elapsed()
}

/// Says nothing until the peer closes, and says when that was.
async fn say_nothing(address: SocketAddr) -> Duration {
    let stream = TcpStream::connect(address).await.unwrap();
    let start = Instant::now();
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    start.elapsed()
}

/// Asks for much until no more can be written, reads nothing, and says when the peer closed.
async fn do_not_read(address: SocketAddr) -> Duration {
    let stream = TcpStream::connect(address).await.unwrap();
    let start = Instant::now();
    while stream.write_all(b"much\nmuch\nmuch\nmuch\n").await.is_ok() {}
    start.elapsed()
}

fn is_closed(stream: &TcpStream) -> bool {
    !matches!(stream.try_read(&mut [0]), Ok(None))
}

/// Asks and waits for the answer, `count` times on one connection, and says how many polls of tasks that took.
async fn ask(address: SocketAddr, count: usize) -> u64 {
    let stream = TcpStream::connect(address).await.unwrap();
    let before = stats().polls;
    for _ in 0..count {
        stream.write_all(b"hello\n").await.unwrap();
        let mut answer = [0; 6];
        assert_eq!((stream.read(&mut answer).await.unwrap(), &answer), (6, b"hello\n"));
    }
    stats().polls - before
}

#[test]
fn slow_clients_are_closed_at_their_deadline_and_good_ones_served_beside_them() {
    let clients = clients();
    in_virtual_time(async {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server.serve(serve).unwrap();
        let alone = ask(address, 2_000).await;
        while serving.connections() > 0 {
            yield_now().await;
        }

        let before = Heap::held();
        let closed = Rc::new(RefCell::new(Vec::new()));
        for index in 0..clients {
            let closed = closed.clone();
            drop(spawn(async move {
                let after = if index % 2 == 0 { dribble(address).await } else { say_nothing(address).await };
                closed.borrow_mut().push(after);
            }));
        }
        while serving.connections() < clients {
            yield_now().await;
        }
        sleep(10 * SECOND).await;
        assert_eq!(serving.connections(), clients, "all are within their time");
        // Their own ends are in it: they are tasks of this thread too.
        let each = (Heap::held() - before) / clients as isize;
        assert!(each <= BYTES_PER_CLIENT, "{each} bytes for each of {clients}");

        let start = Instant::now();
        let beside = ask(address, 2_000).await;
        assert!(start.elapsed() < SECOND, "good ones wait for nothing that is slow: {:?}", start.elapsed());
        // In a second of theirs slow ones cost two polls each, their own task's and the server's.
        assert!(beside <= alone * 6 / 5 + 4 * clients as u64, "{beside} polls, and alone {alone}");

        sleep(25 * SECOND).await;
        assert_eq!(serving.connections(), 0, "all are gone");
        let closed = closed.take();
        assert_eq!(closed.len(), clients);
        let (least, most) = (closed.iter().min().unwrap(), closed.iter().max().unwrap());
        assert!(*least >= 30 * SECOND && *most < 32 * SECOND, "closed after {least:?} to {most:?}");
        println!(
            "{clients} slow clients, {each} bytes each; 2000 good requests take {beside} polls, and alone {alone}"
        );
    });
}

#[test]
fn clients_that_do_not_read_are_bounded_and_closed_at_their_deadline() {
    in_virtual_time(async {
        let clients = 3; // a kernel holds some megabytes for each
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let serving = server.serve(serve).unwrap();
        let before = Heap::held();
        let most = Rc::new(Cell::new(0));
        let watch = async {
            loop {
                most.set(Heap::held().max(most.get()));
                yield_now().await;
                sleep(SECOND / 10).await;
            }
        };
        let all = join_all((0..clients).map(|_| do_not_read(address)));
        let closed = match futures::future::select(Box::pin(watch), Box::pin(all)).await {
            futures::future::Either::Right((closed, _)) => closed,
            futures::future::Either::Left(_) => unreachable!("it watches for ever"),
        };
        let each = (most.get() - before) / clients as isize;
        assert!(each > 64 * 1024 && each <= BYTES_PER_DEAF_CLIENT, "{each} bytes for each of {clients}");
        // One wait to write, or two: at the end of the first the kernel is asked again, and may take some.
        let ends = |after: &Duration| [60, 120].iter().any(|limit| (0..3).contains(&(after.as_secs() as i64 - limit)));
        assert!(closed.iter().all(ends), "closed after {closed:?}");
        while serving.connections() > 0 {
            yield_now().await;
        }
        println!("{clients} clients that do not read, {each} bytes each at most");
    });
}
