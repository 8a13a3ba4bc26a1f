//! A source of bytes that follows a script: what each read and each write meets.
use std::collections::VecDeque;
use std::io::{self, Read, Write};

use mainspring::codec::HalfClose;

/// What one operation on the source meets.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A read gets these bytes, as far as it has room for them; the rest waits for the next one.
    Bytes(Vec<u8>),
    /// A write takes this many bytes at most.
    Take(usize),
    /// The operation fails. `WouldBlock` is "not yet".
    Fail(io::ErrorKind),
}

/// Reads follow `reads` and then meet the end; writes follow `writes` and then take everything.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) reads: VecDeque<Step>,
    pub(crate) writes: VecDeque<Step>,
    pub(crate) shutdowns: VecDeque<Step>,
    /// What was written.
    pub(crate) written: Vec<u8>,
    /// How many bytes were read.
    pub(crate) taken: usize,
    /// How often the writing side was closed.
    pub(crate) closed: usize,
    /// How many reads met the end.
    pub(crate) ends: usize,
}

impl Source {
    pub(crate) fn reading(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { reads: steps.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn writing(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { writes: steps.into_iter().collect(), ..Self::default() }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reads.pop_front() {
            None => {
                self.ends += 1;
                assert!(self.ends < 100, "a source that has ended is read again and again");
                Ok(0)
            }
            Some(Step::Fail(kind)) => Err(kind.into()),
            Some(Step::Take(_)) => unreachable!("a read cannot take"),
            Some(Step::Bytes(mut bytes)) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                if count < bytes.len() {
                    self.reads.push_front(Step::Bytes(bytes.split_off(count)));
                }
                self.taken += count;
                Ok(count)
            }
        }
    }
}

impl Write for Source {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match self.writes.pop_front() {
            None => bytes.len(),
            Some(Step::Take(count)) => bytes.len().min(count),
            Some(Step::Fail(kind)) => return Err(kind.into()),
            Some(Step::Bytes(_)) => unreachable!("a write cannot read"),
        };
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl HalfClose for Source {
    fn shutdown_write(&mut self) -> io::Result<()> {
        if let Some(Step::Fail(kind)) = self.shutdowns.pop_front() {
            return Err(kind.into());
        }
        self.closed += 1;
        Ok(())
    }
}
