//! A descriptor kept back for the moment when there is none left.
//!
//! When a process has no descriptor left, accept(2) cannot take a connection out of the queue, not even to refuse it:
//! clients hang until something else is closed. With one descriptor kept in reserve, and given up for a moment, they
//! are accepted and closed at once, and each peer gets a clean end and can go elsewhere (libuv's way).
//!
//! For whoever wants that, and it is not the default: the connections that are shed might have been served a moment
//! later, so a listener that has nothing else to do waits instead. With `ENFILE` it seldom helps, since other processes
//! take what is given up.

use std::io;

use crate::{AcceptError, Socket};

/// The most connections that are shed in one go, in items. It bounds how long the caller is held up, about a
/// millisecond; those behind them are shed by the next call.
const SHED_MAX: usize = 128;

/// A descriptor in reserve, see [`shed`](Self::shed).
///
/// ```
/// use mainspring_sys::{Socket, SpareDescriptor};
///
/// let mut spare = SpareDescriptor::new()?;
/// let listener = Socket::listen("127.0.0.1:0".parse().unwrap(), 128, false)?;
/// // When `accept` has said that there are no descriptors left (`AcceptError::Moment`):
/// let shed = spare.shed(&listener)?;
/// assert_eq!(shed, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct SpareDescriptor {
    /// A socket that nobody uses; none if another took the number while it was given up.
    spare: Option<Socket>,
}

impl SpareDescriptor {
    /// Takes a descriptor in reserve.
    ///
    /// # Errors
    ///
    /// socket(2): `EMFILE`, `ENFILE`.
    pub fn new() -> io::Result<Self> {
        Ok(Self { spare: Some(Socket::unix_datagram()?) })
    }

    /// True if there is a descriptor in reserve. Not so after another thread took it in the middle of a
    /// [`shed`](Self::shed), until a later one gets it back.
    pub fn is_held(&self) -> bool {
        self.spare.is_some()
    }

    /// Accepts and closes the connections that wait in the queue of a listener of TCP or of Unix streams, up to 128,
    /// with the reserve given up meanwhile; says how many. Then the reserve is taken again.
    ///
    /// Fewer than wait are shed if another thread takes the descriptor: back off, and try again.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Socket::accept) that are the listener's own ([`AcceptError::Listener`]).
    pub fn shed(&mut self, listener: &Socket) -> io::Result<usize> {
        self.spare = None;
        let mut shed = 0;
        let mut outcome = Ok(());
        for _ in 0..SHED_MAX {
            match listener.accept_any() {
                Ok(_closed) => shed += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::Connection => {}
                    AcceptError::Moment => break,
                    AcceptError::Listener => {
                        outcome = Err(error);
                        break;
                    }
                },
            }
        }
        self.spare = Socket::unix_datagram().ok();
        outcome.map(|()| shed)
    }
}
