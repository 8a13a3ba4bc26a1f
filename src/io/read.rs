//! One read of any reader.
//!
//! The spelling that collides with nothing: a method named `read` would be std's, which fails outside a scope, or that
//! of a socket, which sockets alone have. Called where a `BufReader`, a TLS stream or a generic reader is at hand; on a
//! bare socket its own method is the same, and has no scope to enter.
//!
//! It keeps no position of its own, so it is as safe to abandon as its reader is.

use std::future::poll_fn;
use std::io::{self, Read};

use super::poll_try::poll_try;
use crate::scope::Owner;

/// Reads what is there, up to the length of `buffer`. 0 is end-of-file, or that `buffer` is empty.
///
/// An empty `buffer` is answered without asking `reader`. A read that was interrupted is tried again.
///
/// # Errors
///
/// Those of `reader`; and an error when it says `WouldBlock` although no source of the running reactor did.
///
/// # Cancel safety
///
/// Cancel safe if `reader` is resumable: nothing is taken from it unless the future returns it.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     io::write_all(&mut client, b"ping").await?;
///     let mut buffer = [0; 16];
///     let count = io::read(&mut server, &mut buffer).await?;
///     assert_eq!(&buffer[..count], b"ping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn read<R: Read + ?Sized>(reader: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    // Why? A source without readiness would wait for some before it reads nothing.
    if buffer.is_empty() {
        return Ok(0);
    }
    let owner = Owner::new();
    poll_fn(|cx| poll_try(&owner, cx, || reader.read(buffer))).await
}
