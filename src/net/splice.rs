//! From one socket to another without looking at the bytes: a relay's copy.
//!
//! As [`io::copy`](crate::io::copy), for two stream sockets, through a [`Conduit`] of the operating system: on Linux the
//! bytes stay in the kernel (splice(2)), elsewhere they pass through a buffer. Which of the two is decided there.
//!
//! A function of its own and not a shortcut inside `io::copy`: that one takes any reader and writer, of which it cannot
//! know that they are bare sockets, and a `BufReader` around one may hold bytes that a splice would overtake.

use std::fmt;
use std::io;

use mainspring_sys::Conduit;

use super::leaf;
use super::stream::Stream;
use super::tcp_stream::TcpStream;
use super::unix_stream::UnixStream;

/// A socket that [`splice`] moves bytes from or to: made from a reference to a stream.
#[derive(Clone, Copy)]
pub struct SpliceEnd<'a>(&'a Stream);

impl<'a> From<&'a TcpStream> for SpliceEnd<'a> {
    fn from(stream: &'a TcpStream) -> Self {
        Self(&stream.stream)
    }
}

impl<'a> From<&'a UnixStream> for SpliceEnd<'a> {
    fn from(stream: &'a UnixStream) -> Self {
        Self(&stream.stream)
    }
}

impl fmt::Debug for SpliceEnd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpliceEnd").field(self.0.socket()).finish()
    }
}

/// Moves all that `from` receives to `to`, up to the end-of-file, and returns the number of bytes. For a relay that has
/// much to carry: on Linux the bytes do not enter the process. At most 64 KiB are on the way between the two.
///
/// The end-of-file itself is not passed on: see [`shutdown`](TcpStream::shutdown). What must be the same in both
/// directions takes two of these, each with the streams the other way round.
///
/// It holds a pipe, two descriptors, also while there is nothing to move; [`io::copy`](crate::io::copy()) holds nothing
/// then, and is the better choice for connections that are mostly idle.
///
/// # Errors
///
/// Those of reading and writing, deadlines of the streams included. Up to 64 KiB that were taken and not sent are lost.
///
/// # Cancel safety
///
/// Not cancel safe: up to 64 KiB that were taken from `from` and not sent are lost with the future, and so is the count.
///
/// ```
/// use std::net::Shutdown;
/// use mainspring::net::{self, TcpListener, TcpStream};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let (client, server) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
///     let (from, to) = (listener.accept().await?.0, listener.accept().await?.0);
///     client.write_all(b"through the kernel").await?;
///     client.shutdown(Shutdown::Write)?;
///     assert_eq!(net::splice(&from, &to).await?, 18);
///     assert_eq!(server.read(&mut [0; 64]).await?, 18);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn splice<'a>(from: impl Into<SpliceEnd<'a>>, to: impl Into<SpliceEnd<'a>>) -> io::Result<u64> {
    let (SpliceEnd(from), SpliceEnd(to)): (SpliceEnd<'_>, SpliceEnd<'_>) = (from.into(), to.into());
    let mut conduit = Conduit::new();
    let mut moved = 0;
    loop {
        if leaf::reading(from.io.source(), || conduit.fill(from.socket())).await? == 0 {
            return Ok(moved);
        }
        while !conduit.is_empty() {
            let drain = || conduit.drain(to.socket()).map_err(|error| to.io.put_off(error));
            moved += leaf::writing(to.io.source(), drain).await? as u64;
        }
    }
}
