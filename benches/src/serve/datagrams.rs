//! The echo over UDP, on the port of the leash: the ways in which it is measured.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::process;
use std::str::FromStr;
use std::thread;

use mainspring::net::{Datagrams, TcpStream, UdpSocket};

use super::announce;

/// Bytes there is room for in a datagram.
const ROOM: usize = 512;

/// How a server receives and sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receiving {
    /// By a thread that blocks: the floor.
    Blocking,
    /// One by one, on Mainspring.
    Single,
    /// Many with one system call, on Mainspring.
    Batches,
    /// One by one, on tokio.
    Tokio,
}

impl Receiving {
    const ALL: [Self; 4] = [Self::Blocking, Self::Single, Self::Batches, Self::Tokio];
}

impl FromStr for Receiving {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let it = Self::ALL.into_iter().find(|way| way.to_string() == name);
        it.ok_or("a way is blocking, single, batches or tokio")
    }
}

impl fmt::Display for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blocking => "blocking",
            Self::Single => "single",
            Self::Batches => "batches",
            Self::Tokio => "tokio",
        })
    }
}

pub(crate) fn serve(receiving: Receiving) -> io::Result<()> {
    let (leashes, socket) = bind()?;
    announce(socket.local_addr()?)?;
    // It echoes on the leash, as every server of this program that is timed.
    let (mut leash, _) = leashes.accept()?;
    let mut first = [0];
    leash.read_exact(&mut first)?;
    leash.write_all(&first)?;
    if receiving == Receiving::Blocking {
        thread::spawn(move || {
            // Why ignored: however it ends, it has ended.
            let _ = leash.read(&mut [0]);
            process::exit(0);
        });
        let mut buffer = [0; ROOM];
        loop {
            let (count, from) = socket.recv_from(&mut buffer)?;
            socket.send_to(&buffer[..count], from)?;
        }
    }
    if receiving == Receiving::Tokio {
        return on_tokio(leash, socket);
    }
    mainspring::run(async {
        let leash = TcpStream::from_std(leash)?;
        let socket = UdpSocket::from_std(socket)?;
        mainspring::spawn(async move {
            if receiving == Receiving::Batches { batches(socket).await } else { single(socket).await }
        });
        leash.read(&mut [0; 1]).await.map(drop)
    })?
}

/// A listener and a socket on the same port.
fn bind() -> io::Result<(net::TcpListener, net::UdpSocket)> {
    let leashes = net::TcpListener::bind("127.0.0.1:0")?;
    let address: SocketAddr = leashes.local_addr()?;
    Ok((leashes, net::UdpSocket::bind(address)?))
}

async fn single(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = [0; ROOM];
    loop {
        let (count, from) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..count], from).await?;
    }
}

async fn batches(socket: UdpSocket) -> io::Result<()> {
    let mut batch = Datagrams::new(Datagrams::CAPACITY_MAX, ROOM);
    loop {
        socket.recv_datagrams(&mut batch).await?;
        while !batch.is_empty() {
            socket.send_datagrams(&mut batch).await?;
        }
    }
}

fn on_tokio(leash: net::TcpStream, socket: net::UdpSocket) -> io::Result<()> {
    leash.set_nonblocking(true)?;
    socket.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let leash = tokio::net::TcpStream::from_std(leash)?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        tokio::spawn(async move {
            let mut buffer = [0; ROOM];
            loop {
                let (count, from) = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..count], from).await?;
            }
            #[expect(unreachable_code, reason = "it says what the errors are")]
            io::Result::Ok(())
        });
        leash.readable().await
    })
}
