//! A live connection that moves from one reactor to another and back, under load.
mod util;

use mainspring::workers::Worker;
use mainspring::{Handle, Workers, net};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use util::runtime::{Limit, Random};

/// How often it moves.
const MOVES: u32 = 1000;

/// What is sent, in bytes: more than all stays together can read.
const LENGTH: usize = 256 * 1024;

/// The buffer of a read: a stay of three reads takes little of what is there.
const BUFFER: usize = 64;

/// A stream that lives on a reactor, and what it is in between.
trait Moving: Sized {
    type Between: Send + 'static;

    fn arrive(between: Self::Between) -> io::Result<Self>;
    fn leave(self) -> io::Result<Self::Between>;
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    async fn send(&self, bytes: &[u8]) -> io::Result<()>;
}

impl Moving for net::TcpStream {
    type Between = std::net::TcpStream;

    fn arrive(between: Self::Between) -> io::Result<Self> {
        let stream = Self::from_std(between)?;
        assert_eq!(stream.read_timeout(), None, "deadlines are the reactor's, and do not come along");
        assert!(stream.nodelay()?, "options are the socket's, and do");
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    fn leave(self) -> io::Result<Self::Between> {
        self.into_std()
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer).await
    }

    async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await
    }
}

impl Moving for net::UnixStream {
    type Between = std::os::unix::net::UnixStream;

    fn arrive(between: Self::Between) -> io::Result<Self> {
        Self::from_std(between)
    }

    fn leave(self) -> io::Result<Self::Between> {
        self.into_std()
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer).await
    }

    async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await
    }
}

/// What goes along with the connection.
struct Luggage {
    /// Both reactors.
    handles: Arc<[Handle]>,
    /// On which it is.
    place: usize,
    /// How often it still moves.
    moves: u32,
    /// Read and not yet written: what a program has in its buffers.
    unwritten: Vec<u8>,
    /// How long it stays, and whether it leaves with something unwritten.
    random: Random,
    /// Told at the end: on which thread each stay was.
    stays: Vec<thread::ThreadId>,
    done: mpsc::Sender<Vec<thread::ThreadId>>,
}

/// Echoes on this reactor for a while, then on the other.
fn stay<M: Moving + 'static>(between: M::Between, mut luggage: Luggage) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        luggage.stays.push(thread::current().id());
        let stream = M::arrive(between).unwrap();
        let mut reads = 1 + luggage.random.below(3);
        while luggage.moves == 0 || reads > 0 {
            reads = reads.saturating_sub(1);
            stream.send(&std::mem::take(&mut luggage.unwritten)).await.unwrap();
            let mut buffer = [0; BUFFER];
            match stream.receive(&mut buffer).await.unwrap() {
                0 => return luggage.done.send(luggage.stays).unwrap(),
                count => luggage.unwritten.extend_from_slice(&buffer[..count]),
            }
        }
        if luggage.random.below(2) == 0 {
            stream.send(&std::mem::take(&mut luggage.unwritten)).await.unwrap();
        }
        luggage.moves -= 1;
        luggage.place = 1 - luggage.place;
        let between = stream.leave().unwrap();
        let next = luggage.handles[luggage.place].clone();
        drop(next.spawn(move || stay::<M>(between, luggage)));
    })
}

/// Sends and receives at the same time while the other end moves.
fn moves<M: Moving + 'static>(served: M::Between, mut reader: impl Read, mut writer: impl Write + Send + 'static) {
    let _limit = Limit::new();
    let until_stopped = async |worker: Worker| {
        worker.stopping().cancelled().await;
        Ok(())
    };
    let workers = Workers::builder().threads(2).start(until_stopped).unwrap();
    let (done, told) = mpsc::channel();
    let handles: Arc<[Handle]> = workers.handles().into();
    let random = Random::new();
    let luggage = Luggage { handles, place: 0, moves: MOVES, unwritten: Vec::new(), random, stays: Vec::new(), done };
    drop(workers.handles()[0].spawn(move || stay::<M>(served, luggage)));

    let sent: Vec<u8> = (0..LENGTH as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let copy = sent.clone();
    let sender = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer
    });
    let mut received = vec![0; LENGTH];
    reader.read_exact(&mut received).unwrap();
    assert!(received == sent, "bytes were lost, repeated or in another order");
    drop((sender.join().unwrap(), reader));

    let stays = told.recv().unwrap();
    assert_eq!(stays.len(), MOVES as usize + 1);
    assert!(stays.windows(2).all(|pair| pair[0] != pair[1]), "each stay is on the other thread");
    assert!(workers.shutdown(Duration::MAX).iter().all(Result::is_ok));
}

#[test]
fn a_tcp_connection_moves_a_thousand_times_under_load_and_no_byte_is_lost() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (served, _) = listener.accept().unwrap();
    served.set_nodelay(true).unwrap();
    let reader = client.try_clone().unwrap();
    moves::<net::TcpStream>(served, reader, client);
}

#[test]
fn a_unix_connection_moves_a_thousand_times_under_load_and_no_byte_is_lost() {
    let (served, client) = std::os::unix::net::UnixStream::pair().unwrap();
    let reader = client.try_clone().unwrap();
    moves::<net::UnixStream>(served, reader, client);
}
