//! Reading what a child writes, to its end and within a bound.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use crate::net::PipeReader;

/// How much of each output is kept unless the caller says, in bytes: more than a command says to a program, and little
/// enough for many at once.
pub(super) const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// How much room each read has, in bytes: what a pipe holds on Linux, pipe(7).
const ROOM: usize = 65_536;

/// All that comes out of `reader`, the child's `name`; nothing if there is none.
pub(super) async fn read(reader: Option<PipeReader>, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(reader) = reader else { return Ok(bytes) };
    loop {
        let length = bytes.len();
        // One more than is allowed, so that the end of exactly as much is found.
        bytes.resize(length + ROOM.min(bytes_max.saturating_sub(length).saturating_add(1)), 0);
        let count = reader.read(&mut bytes[length..]).await?;
        bytes.truncate(length + count);
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() > bytes_max {
            let message = format!("a child process has written more than {bytes_max} bytes to its {name}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
    }
}

/// Runs both at the same time, until both have ended or one has failed.
pub(super) async fn both<T>(
    first: impl Future<Output = io::Result<T>>,
    second: impl Future<Output = io::Result<T>>,
) -> io::Result<(T, T)> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut outputs = (None, None);
    poll_fn(|cx| {
        if outputs.0.is_none() {
            if let Poll::Ready(output) = first.as_mut().poll(cx) {
                outputs.0 = Some(output?);
            }
        }
        if outputs.1.is_none() {
            if let Poll::Ready(output) = second.as_mut().poll(cx) {
                outputs.1 = Some(output?);
            }
        }
        match (outputs.0.take(), outputs.1.take()) {
            (Some(first), Some(second)) => Poll::Ready(Ok((first, second))),
            waiting => {
                outputs = waiting;
                Poll::Pending
            }
        }
    })
    .await
}
