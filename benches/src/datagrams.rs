//! Datagrams in a second: an echo over UDP, one system call for each and one for many.
//!
//! The server answers each datagram of 64 bytes to where it came from. One by one it is a recvfrom and a sendto for
//! each; in batches it is a recvmmsg and a sendmmsg for up to 32. The floor is a thread that blocks in both. The client
//! sends and receives in batches, and has so few datagrams outstanding that none is dropped for want of room; one that
//! is lost all the same ends the measurement with an error.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use mainspring_sys::{Datagrams, Events, Interest, Mode, OsSelector, Selector, Socket, Token};

use crate::beside;
use crate::peers::Peer;
use crate::report::Report;
use crate::versions;

/// Bytes of a datagram.
const BYTES: usize = 64;

/// Datagrams that are outstanding: well below what the receive buffer of a socket holds by default, some 270 small
/// ones.
const OUTSTANDING: usize = 128;

/// A server that says nothing for so long has lost one.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How much is run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Datagrams of a turn.
    pub(crate) datagrams: usize,
}

/// For figures that are published.
pub(crate) const FULL: Size = Size { rounds: 11, datagrams: 200_000 };

const PEERS: [Peer; 5] = [
    Peer::own("mainspring, in batches", &["datagrams", "batches"]),
    Peer::own("the same once more", &["datagrams", "batches"]),
    Peer::own("mainspring, one by one", &["datagrams", "single"]),
    Peer::own("a thread that blocks", &["datagrams", "blocking"]),
    Peer::own("tokio, one by one", &["datagrams", "tokio"]),
];

/// Prints the table.
///
/// # Errors
///
/// When a server does not start or answer, and where there are no two processors.
pub(crate) fn run(size: Size, report: &mut Report) -> io::Result<()> {
    println!("{}\n", versions::of(&["mainspring", "tokio"]));
    eprintln!("udp: {} rounds of {} datagrams", size.rounds, size.datagrams);
    let measured = beside::start(&PEERS, "0", &[1])?.rounds(size.rounds, |server| {
        beside::turn(server, || load(server.address, size.datagrams).map(|()| size.datagrams))
    })?;
    println!(
        "Datagrams of {BYTES} bytes, each answered, {OUTSTANDING} outstanding\n\n{}",
        measured.table("datagram", "UDP", "64 B", report)
    );
    Ok(())
}

fn load(server: SocketAddr, datagrams: usize) -> io::Result<()> {
    let own = UdpSocket::bind("127.0.0.1:0")?;
    own.connect(server)?;
    let socket = Socket::from_fd(own.into())?;
    let selector = OsSelector::new()?;
    selector.register(socket.as_fd(), Token(0), Interest::READABLE, Mode::Level)?;
    let mut events = Events::with_capacity(1);
    let mut requests = Datagrams::new(Datagrams::CAPACITY_MAX, BYTES);
    let mut answers = Datagrams::new(Datagrams::CAPACITY_MAX, BYTES);
    let (mut sent, mut received) = (0, 0);
    while received < datagrams {
        while sent < datagrams && sent - received <= OUTSTANDING - requests.capacity() {
            let count = requests.capacity().min(datagrams - sent);
            for _ in 0..count {
                requests.push(&[7; BYTES], None)?;
            }
            while !requests.is_empty() {
                socket.send_datagrams(&mut requests)?;
            }
            sent += count;
        }
        match socket.recv_datagrams(&mut answers) {
            Ok(_) => received += answers.len(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                selector.select(&mut events, Some(SILENCE_MAX))?;
                if events.is_empty() {
                    let message = format!("no answer for 5 s, and {} are missing", sent - received);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
