//! The one operation that std's `Write` lacks: saying that nothing more will be written.
//!
//! [`shutdown`](super::shutdown), [`Framed::poll_shutdown`](crate::codec::Framed::poll_shutdown) and the servers and
//! clients of [`crate::proto`] call it once everything is flushed, so that the peer reads the last answer and then the
//! end of the stream, while what it still sends can be read.
//!
//! Dropping the source was turned down as the way to close: it ends both directions at once, and a
//! socket that is closed with unread bytes resets the connection and may destroy the last answer.
use std::io::{self, BufWriter, Cursor, Write};

/// A source whose writing side can be closed while its reading side stays open.
///
/// A wrapper of another crate, a TLS session on a socket for one, needs a type of one's own around it: to end a session
/// in good order is to send its last message (`send_close_notify` of rustls), to flush, and to pass the call on.
///
/// # Examples
///
/// A wrapper passes it on:
///
/// ```
/// use mainspring::io::HalfClose;
/// use std::io;
///
/// struct Counted<T> { io: T, written: u64 }
///
/// impl<T: HalfClose> HalfClose for Counted<T> {
///     fn shutdown_write(&mut self) -> io::Result<()> {
///         self.io.shutdown_write()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    note = "put it into a type of your own and implement `HalfClose` for that: its documentation shows how"
)]
pub trait HalfClose {
    /// Closes the writing side. The peer reads the end of the stream after what was written before.
    ///
    /// Closing twice is not an error.
    ///
    /// # Errors
    ///
    /// `WouldBlock` means "not yet", as in [`std::io::Write`]: a source that says goodbye in its own protocol
    /// may have to write first. Any other error means that the connection has failed.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// As the source that it borrows.
impl<T: HalfClose + ?Sized> HalfClose for &mut T {
    fn shutdown_write(&mut self) -> io::Result<()> {
        (**self).shutdown_write()
    }
}

/// As the source in it.
impl<T: HalfClose + ?Sized> HalfClose for Box<T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        (**self).shutdown_write()
    }
}

/// As the writer, which is flushed first.
impl<W: Write + HalfClose> HalfClose for BufWriter<W> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.flush()?;
        self.get_mut().shutdown_write()
    }
}

/// Memory has no peer to tell.
impl<T> HalfClose for Cursor<T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
