//! A lookup of a host name, for all who ask for that host while it is under way.
//!
//! Begun by whoever asks first, as a job of the reactor's pool, and found by the others through
//! [`Names`](crate::names::Names). It belongs to none of them: the job tells all who wait, so that whoever gives up has
//! nothing to hand on. The price is that those who come while a name server is silent wait with the first.
//!
//! One for each who asks was turned down: when many connections to one host begin at once, the same question would fill
//! the queue of the pool, and most would be refused.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::attempted::{again, in_words};
use crate::core::Core;
use crate::forked;
use crate::join_error::JoinError;
use crate::locks::OnceLock;
use crate::task::CancellationToken;

/// A lookup. Held by those who wait for it, and by its job while that asks the resolver.
pub(crate) struct Lookup {
    /// Whose addresses are asked for.
    host: String,
    /// What the resolver has said, of port 0; written by the job.
    answer: OnceLock<io::Result<Vec<SocketAddr>>>,
    /// Cancelled when the job has ended, or will not run any more.
    ended: CancellationToken,
}

/// Tells those who wait that the job has ended, when it is dropped.
struct Job(CancellationToken);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Lookup {
    /// One that nobody works on yet.
    fn new(host: String) -> Self {
        Self { host, answer: OnceLock::new(), ended: CancellationToken::new() }
    }

    /// The lookup of `host` that is under way on this reactor, or a new one.
    ///
    /// # Errors
    ///
    /// Those of the pool.
    pub(crate) fn of(core: &Core, host: String) -> Result<Arc<Self>, JoinError> {
        if let Some(lookup) = core.names().borrow().under_way(&host) {
            return Ok(lookup);
        }
        let lookup = Arc::new(Self::new(host));
        // Looked up only if somebody asks still: those who give up during an outage of the name server come again, and
        // a queue of what they do not want any more would keep all other work from the pool.
        let (asked, job) = (Arc::downgrade(&lookup), Job(lookup.ended.clone()));
        core.pool().push(Box::new(move || {
            let _job = job;
            if let Some(lookup) = asked.upgrade() {
                lookup.answer.get_or_init(|| look_up(&lookup.host, 0));
            }
        }))?;
        core.names().borrow_mut().begin(&lookup);
        Ok(lookup)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// In a child of the process that has begun it, which does not have its thread.
    pub(crate) async fn ended(&self, core: &Core) -> io::Result<()> {
        let mut ended = self.ended.cancelled();
        poll_fn(|cx| {
            // Why before its lock: a thread that a child does not have may hold it.
            if core.is_forked() {
                return Poll::Ready(Err(forked::error()));
            }
            Pin::new(&mut ended).poll(cx).map(Ok)
        })
        .await
    }

    /// Whether it has.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Whose addresses are asked for.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What was found, once it has ended, with `port`.
    pub(crate) fn addresses(&self, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self.answer.get() {
            Some(Ok(addresses)) => Ok(with_port(addresses, port)),
            Some(Err(error)) => Err(again(error)),
            None => Err(JoinError::ended().into()),
        }
    }
}

/// The same addresses, with another port.
pub(crate) fn with_port(addresses: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    let with_port = |mut address: SocketAddr| {
        address.set_port(port);
        address
    };
    addresses.iter().copied().map(with_port).collect()
}

/// Looks a host up on this thread. What the resolver says in words alone is said of the host; an error of the system
/// keeps its code.
pub(crate) fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    mainspring_sys::resolve(host, port).map_err(|error| match error.raw_os_error() {
        Some(_) => error,
        None => in_words(format!("cannot look up {host:?}"), error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    #[test]
    fn a_lookup_is_shared_until_it_has_ended_and_the_first_who_hears_keeps_the_answer_of_the_last_that_began() {
        let mut names = Names::new(2, 10);
        let begin = |names: &mut Names| {
            let lookup = Arc::new(Lookup::new("host".into()));
            names.begin(&lookup);
            lookup
        };
        let end = |lookup: &Lookup, port: u16| {
            lookup.answer.set(Ok(vec![([127, 0, 0, 1], port).into()])).unwrap();
            lookup.ended.cancel();
        };
        drop(begin(&mut names));
        assert!(names.under_way("host").is_none(), "nobody waits for it");
        let first = begin(&mut names);
        assert!(Arc::ptr_eq(&names.under_way("host").unwrap(), &first) && names.under_way("other").is_none());
        end(&first, 1);
        assert!(names.under_way("host").is_none());
        let second = begin(&mut names);
        names.end(&first, 0);
        assert_eq!(names.get("host", 80, 0), None, "it is too old");
        end(&second, 2);
        names.end(&second, 1);
        names.end(&second, 100);
        assert_eq!((names.get("host", 80, 10), names.get("host", 80, 11)), (Some(second.addresses(80).unwrap()), None));
    }
}
