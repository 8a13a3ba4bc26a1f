//! A stream that a poller of the `polling` crate watches, without unsafe code of the caller.
//!
//! Used by the selector benchmark, which forbids unsafe code, and built for nothing else. `Poller::add` is unsafe,
//! because a source must be deleted from the poller before it is dropped. Here the source is owned from the one to the
//! other, so that the types see to it, and it costs nothing that the benchmark would charge to `polling`.
//!
//! Turned down: an older `polling` whose `add` is safe, which would be no fair peer; deleting the stream in `Drop`, for
//! which each would have to know its poller.
#![deny(unsafe_code)]

use std::borrow::Borrow;
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::net::UnixStream;

use polling::{Event, PollMode, Poller};

/// A stream that a poller watches, until [`delete`](Self::delete). One that is dropped before stays open for ever.
#[derive(Debug)]
pub struct Owned {
    /// Taken out by `delete` alone, and dropped by nobody here.
    stream: ManuallyDrop<UnixStream>,
}

impl Owned {
    /// Adds `stream` to `poller`.
    ///
    /// # Errors
    ///
    /// Those of `Poller::add_with_mode`. The stream is closed then.
    #[inline]
    pub fn add(poller: &Poller, stream: UnixStream, interest: Event, mode: PollMode) -> io::Result<Self> {
        // SAFETY: a stream that was added is not dropped before it is deleted: `delete` alone takes it out, and only
        // once the poller has said that it is gone.
        #[allow(unsafe_code, reason = "the one call that this crate is for")]
        unsafe {
            poller.add_with_mode(&stream, interest, mode)?;
        }
        Ok(Self { stream: ManuallyDrop::new(stream) })
    }

    /// Deletes the stream from `poller`, and hands it back.
    ///
    /// # Errors
    ///
    /// Those of `Poller::delete`, as for the stream of another poller. The stream stays open for ever then.
    #[inline]
    pub fn delete(self, poller: &Poller) -> io::Result<UnixStream> {
        poller.delete(&*self.stream)?;
        Ok(ManuallyDrop::into_inner(self.stream))
    }
}

impl Borrow<UnixStream> for Owned {
    #[inline]
    fn borrow(&self) -> &UnixStream {
        &self.stream
    }
}
