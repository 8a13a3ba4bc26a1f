//! Lines of bounded length, one after the other, over any buffered reader.
//!
//! Where [`read_line`](super::read_line) keeps a line that has come in part in its future, this object keeps it, so the
//! future can be dropped, by a `select` or a timeout, and the next call goes on with the same line. For a protocol that
//! writes as well, [`codec::Lines`](crate::codec::Lines) in a `Framed` does both.
//!
//! A line beyond the limit is reported once, at the first byte too many, and the rest of it is passed over without
//! being kept, as there. Ending at the first such line was turned down: it is the caller's to say what that means.

use std::future::poll_fn;
use std::io::{self, BufRead};
use std::mem;

use super::poll_try::poll_try;
use crate::scope::Owner;

/// The lines of `reader`, of at most `limit` bytes each, without their `\n` or `\r\n`, which do not count.
///
/// ```
/// use std::io::BufReader;
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"one\r\ntwo\nthree").await?;
///     drop(client);
///     let mut lines = io::lines(BufReader::new(server), 1024);
///     let mut all = Vec::new();
///     while let Some(line) = lines.next_line().await? {
///         all.push(line);
///     }
///     assert_eq!(all, ["one", "two", "three"]);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub const fn lines<R: BufRead>(reader: R, limit: usize) -> Lines<R> {
    Lines { reader, limit, line: Vec::new(), skipping: false }
}

/// The lines of a reader. Made by [`lines`].
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    /// Bytes of a line, without its end.
    limit: usize,
    /// The line as far as it has come, at most `limit` bytes and a `\r`.
    line: Vec<u8>,
    /// Set while the rest of a line that was too long is passed over.
    skipping: bool,
}

/// What stands at the front of a reader's buffer.
enum Step {
    /// The line goes on.
    More,
    /// It has ended.
    Line,
    /// It is too long.
    TooLong,
    /// The reader has ended.
    End,
}

impl<R> Lines<R> {
    /// The reader.
    pub const fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader, which has lost the part of a line that has come already.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: BufRead> Lines<R> {
    /// The next line; `None` is end-of-file. What stands before that without a `\n` is a line too, of which a `\r` at
    /// its end is no part.
    ///
    /// # Errors
    ///
    /// `InvalidData` for a line that is longer than the limit, and for one that is not UTF-8; the call after that
    /// returns the next line. Those of the reader, after which the call goes on with the same line; and an error when
    /// it says `WouldBlock` although no source of the running reactor did.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what has come of a line stays here.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        let owner = Owner::new();
        loop {
            match poll_fn(|cx| poll_try(&owner, cx, || self.step())).await? {
                Step::More => {}
                Step::End if self.line.is_empty() => return Ok(None),
                Step::Line | Step::End => return self.take().map(Some),
                Step::TooLong => {
                    self.line = Vec::new();
                    let message = format!("a line is longer than the limit of {} bytes", self.limit);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
    }

    /// Takes what the reader has buffered, as far as it belongs to the line.
    fn step(&mut self) -> io::Result<Step> {
        let available = self.reader.fill_buf()?;
        if available.is_empty() {
            self.skipping = false;
            return Ok(Step::End);
        }
        let newline = available.iter().position(|&byte| byte == b'\n');
        let (part, count) = newline.map_or((available, available.len()), |at| (&available[..at], at + 1));
        if self.skipping {
            self.skipping = newline.is_none();
            self.reader.consume(count);
            return Ok(Step::More);
        }
        let len = self.line.len() + part.len();
        let last = part.last().or_else(|| self.line.last());
        let too_long = len - usize::from(last == Some(&b'\r')) > self.limit;
        if !too_long {
            self.line.extend_from_slice(part);
        }
        self.skipping = too_long && newline.is_none();
        self.reader.consume(count);
        Ok(match newline {
            _ if too_long => Step::TooLong,
            Some(_) => Step::Line,
            None => Step::More,
        })
    }

    /// The line, which has ended.
    fn take(&mut self) -> io::Result<String> {
        let mut line = mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
