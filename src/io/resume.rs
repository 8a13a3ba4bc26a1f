//! Handshakes that are consumed by each step.
//!
//! tungstenite's `MidHandshake` and the one of native-tls and OpenSSL do not keep their state behind `&mut`: a step
//! takes the machine by value and, when it would block, gives it back inside an error. [`ready`](crate::ready) calls
//! one closure again and again and has no place for that; here the state stands in the future between two steps.
//!
//! The first step has a closure of its own, since it starts from something else (a stream and a request), and must run
//! in a scope as well: a handshake writes at once.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::Attempt;
use super::poll_try::waits_for_nothing;
use crate::scope::Owner;

/// Runs `begin`, and then `step` with what the step before has returned, until one is done; waits in between for the
/// sources that said "not yet".
///
/// For tungstenite, `begin` is `|| outcome(tungstenite::client(url, stream))`, `step` is `|mid|
/// outcome(mid.handshake())`, and `outcome` turns `HandshakeError::Interrupted(mid)` into `Ok(Attempt::NotYet(mid))`.
///
/// # Errors
///
/// Those of the steps; and an error made from an [`io::Error`] when a step says [`Attempt::NotYet`] although no source
/// of the running reactor did. The state is dropped then.
///
/// # Cancel safety
///
/// Not cancel safe: the state, and the connection in it, is dropped with the future.
///
/// ```
/// use mainspring::io::{self, Attempt};
/// use mainspring::net::{TcpListener, TcpStream};
/// use std::io::Read;
///
/// /// Reads a greeting of two bytes, by value.
/// struct Greeting { stream: TcpStream, bytes: Vec<u8> }
///
/// impl Greeting {
///     fn step(mut self) -> std::io::Result<Attempt<Self, TcpStream>> {
///         let mut buffer = [0; 2];
///         while self.bytes.len() < 2 {
///             let room = 2 - self.bytes.len();
///             match Read::read(&mut self.stream, &mut buffer[..room]) {
///                 Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
///                 Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
///                 Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(Attempt::NotYet(self)),
///                 Err(error) => return Err(error),
///             }
///         }
///         Ok(Attempt::Done(self.stream))
///     }
/// }
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (stream, _) = listener.accept().await?;
///     client.write_all(b"hi").await?;
///     let begin = || Greeting { stream, bytes: Vec::new() }.step();
///     let _stream = io::resume(begin, Greeting::step).await?;
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn resume<S, T, E, B, F>(begin: B, mut step: F) -> Result<T, E>
where
    B: FnOnce() -> Result<Attempt<S, T>, E>,
    F: FnMut(S) -> Result<Attempt<S, T>, E>,
    E: From<io::Error>,
{
    let owner = Owner::new();
    let mut begin = Some(begin);
    let mut state = None;
    poll_fn(|cx| {
        let (attempt, outcome) = owner.enter(cx.waker(), || match (begin.take(), state.take()) {
            (Some(begin), _) => begin(),
            (None, Some(state)) => step(state),
            (None, None) => unreachable!("a future that has returned or panicked is not polled again"),
        });
        match attempt {
            Ok(Attempt::NotYet(next)) if outcome.blocked() || outcome.refused() => {
                state = Some(next);
                Poll::Pending
            }
            Ok(Attempt::NotYet(_)) => Poll::Ready(Err(waits_for_nothing().into())),
            Ok(Attempt::Done(value)) => Poll::Ready(Ok(value)),
            Err(error) => Poll::Ready(Err(error)),
        }
    })
    .await
}
