//! What was read, in a buffer that goes back to its reactor.
//!
//! Returned by the reads that bring their own buffer. Dropping it gives the memory back to the pool of the reactor that
//! it came from, also when it outlives that.
//!
//! A slice and no growing vector: what is put together from several reads belongs into memory of its own. An
//! end-of-file holds no memory, so a connection that has ended and is kept costs as little as an idle one.

use std::fmt;
use std::io;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::buffers::buffer;
use crate::core::Core;

/// The bytes of one read. Empty means end-of-file.
///
/// The memory belongs to a pool of the reactor, [`Builder::buffers`](crate::Builder::buffers), and goes back there when
/// this is dropped: hold it no longer than it takes to deal with the bytes.
///
/// ```
/// use mainspring::io;
///
/// mainspring::run(async {
///     let mut buffer = io::read_pooled(&mut &b"ping"[..]).await?;
///     buffer.make_ascii_uppercase();
///     assert_eq!(*buffer, *b"PING");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct PooledBuffer {
    /// The whole buffer; of no length if nothing was read.
    bytes: Box<[u8]>,
    /// How many of its bytes were read.
    len: usize,
    /// To whom it goes back; none if it does not.
    core: Option<Rc<Core>>,
}

impl PooledBuffer {
    /// A buffer of `core`, or a new one of `size` bytes; nothing has been read.
    pub(crate) fn take(core: Option<Rc<Core>>, size: usize) -> Self {
        let bytes = core.as_ref().map_or_else(|| buffer(size), |core| core.buffers.take());
        Self { bytes, len: 0, core }
    }

    /// Takes a buffer of `core` and reads into it. Without bytes it goes back at once.
    pub(crate) fn read(core: Rc<Core>, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Self> {
        let mut buffer = Self::take(Some(core), 0);
        let count = read(buffer.whole())?;
        if count == 0 {
            buffer.give_back();
        }
        // Why bounded: a reader of the user's own may say anything.
        buffer.len = count.min(buffer.bytes.len());
        Ok(buffer)
    }

    /// All of its memory, to read into.
    pub(super) fn whole(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn give_back(&mut self) {
        if let Some(core) = self.core.take() {
            core.buffers.give_back(mem::take(&mut self.bytes));
        }
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Deref for PooledBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for PooledBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuffer").field("len", &self.len).finish_non_exhaustive()
    }
}
