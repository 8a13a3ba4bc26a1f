//! A read that has no buffer while it waits.
//!
//! Every other read is handed a buffer, which its connection holds for as long as nothing comes: with thousands of idle
//! connections that is most of the memory of a server. Here the buffer comes from the reactor at each try and goes back
//! when there was nothing to read. Since a source that is known to be empty is not asked, a wait costs one vain read at
//! most, the one that finds it empty.
//!
//! A future and a try for ticks, over any reader, so that what is read through TLS has the same. Sockets have them as
//! methods too, whose futures are smaller.

use std::future::poll_fn;
use std::io::{self, Read};

use super::poll_try::poll_try;
use super::pooled_buffer::PooledBuffer;
use crate::core::Core;
use crate::scope::Owner;

/// Reads what is there, up to the size of the reactor's buffers, 16 KiB by default
/// ([`Builder::buffers`](crate::Builder::buffers)). An empty buffer is end-of-file.
///
/// While there is nothing to read the future holds no buffer.
///
/// # Errors
///
/// Those of `reader`; an error when it says `WouldBlock` although no source of the running reactor did, and when no
/// reactor is running on this thread.
///
/// # Cancel safety
///
/// Cancel safe if `reader` is resumable: nothing is read unless the future returns it.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all(b"ping").await?;
///     let request = io::read_pooled(&mut server).await?;
///     assert_eq!(*request, *b"ping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn read_pooled<R: Read + ?Sized>(reader: &mut R) -> io::Result<PooledBuffer> {
    let owner = Owner::new();
    poll_fn(|cx| poll_try(&owner, cx, || read(reader))).await
}

/// A try of [`read_pooled`] for ticks and inside [`ready`](crate::ready): `None` is "not yet".
///
/// # Errors
///
/// As [`read_pooled`], but that a `WouldBlock` is always "not yet".
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}, tick::{schedule, Tick}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     let task = schedule(move || match io::try_read_pooled(&mut server)? {
///         None => Ok(Tick::WouldBlock), // and this task holds no buffer
///         Some(request) if request.is_empty() => Ok(Tick::Final),
///         Some(request) => {
///             assert_eq!(*request, *b"ping");
///             Ok(Tick::WouldBlock)
///         }
///     });
///     client.write_all(b"ping").await?;
///     drop(client);
///     task.await?
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn try_read_pooled<R: Read + ?Sized>(reader: &mut R) -> io::Result<Option<PooledBuffer>> {
    match read(reader) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

fn read<R: Read + ?Sized>(reader: &mut R) -> io::Result<PooledBuffer> {
    PooledBuffer::read(Core::running("a buffer of the pool")?, |buffer| reader.read(buffer))
}
