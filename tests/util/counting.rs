//! A writer that tells how often it had to wait.
use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

/// Counts the "not yet" answers of a writer.
pub(crate) struct Counting<W> {
    pub(crate) writer: W,
    pub(crate) blocked_writes: Rc<Cell<usize>>,
    pub(crate) blocked_flushes: Rc<Cell<usize>>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(buffer);
        self.blocked_writes.set(self.blocked_writes.get() + usize::from(written.is_err()));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        self.blocked_flushes.set(self.blocked_flushes.get() + usize::from(flushed.is_err()));
        flushed
    }
}
