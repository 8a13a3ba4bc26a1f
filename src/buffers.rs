//! Buffers that are lent for one read: a connection that has nothing to read holds none.
//!
//! Each reactor has some, made when they are first needed. A read takes one, and gives it back at once if there was
//! nothing to read; what was read goes with its buffer to the user ([`PooledBuffer`](crate::io::PooledBuffer)). So
//! memory follows the connections that have bytes at this moment, and not those that are open.
//!
//! What is bounded is how many are kept while nobody uses them, and their size. How many are in use is bounded by those
//! who use them: a reader that waited for a buffer, while its peer in the same process waits for it, would wait for
//! ever. The memory stays initialised from one use to the next, since clearing it costs more than most reads; a buffer
//! may hold bytes of another connection beyond what was read, which [`PooledBuffer`](crate::io::PooledBuffer) does not
//! show.

use std::cell::{Cell, RefCell};

/// The most bytes of one buffer: a read moves no more than 2 GiB less a page on Linux, and a number beyond that is a
/// mistake.
const SIZE_MAX: usize = 1 << 30;

/// Memory for one read, of `size` bytes, at least 1 and at most 1 GiB.
pub(crate) fn buffer(size: usize) -> Box<[u8]> {
    vec![0; size.clamp(1, SIZE_MAX)].into()
}

/// The buffers of one reactor.
pub(crate) struct Buffers {
    /// Those that nobody uses, all of `size` bytes.
    spare: RefCell<Vec<Box<[u8]>>>,
    /// How many of those are kept, in items.
    kept: usize,
    /// Bytes of each.
    size: usize,
    /// How many are in use.
    lent: Cell<usize>,
}

impl Buffers {
    pub(crate) const fn new(kept: usize, size: usize) -> Self {
        Self { spare: RefCell::new(Vec::new()), kept, size, lent: Cell::new(0) }
    }

    /// How many are in use.
    pub(crate) fn lent(&self) -> usize {
        self.lent.get()
    }

    /// One that was used last, since its memory is likely to be in a cache, or a new one.
    pub(crate) fn take(&self) -> Box<[u8]> {
        let spare = self.spare.borrow_mut().pop();
        self.lent.set(self.lent.get() + 1);
        spare.unwrap_or_else(|| buffer(self.size))
    }

    /// Takes back what `take` has given.
    pub(crate) fn give_back(&self, buffer: Box<[u8]>) {
        self.lent.set(self.lent.get() - 1);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < self.kept {
            spare.push(buffer);
        }
    }
}
