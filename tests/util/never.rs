//! A source that no reactor knows.
use std::io::{self, ErrorKind, Read, Write};

/// Says "not yet" to everything, and records nothing.
pub(crate) struct Never;

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Never {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(ErrorKind::WouldBlock.into())
    }
}
