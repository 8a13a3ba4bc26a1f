//! The filter that bounds how long a call takes: written once, for clients and servers of every protocol.
//!
//! Used below retries for each attempt and above them for the whole, and by servers for each request. Applied by
//! [`ServiceExt::timeout`](super::ServiceExt::timeout).
//!
//! Guarantees: the clock starts when the call first waits; the call inside is polled first, so a response that is there
//! wins over a deadline that has passed; on expiry the call inside is dropped with the future, which abandons it. The
//! future is that of the call inside and one `Sleep`, nothing else; a call that answers at once reads no clock and arms
//! nothing.
//!
//! The trade-off: the time between `call` and the first poll is left out. Nothing happens in it, as the contract of a
//! service has it, so it is the caller's; who wants to bound it too has [`Deadline`](super::Deadline), which reads the
//! clock in `call`.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Filter, Service};
use crate::pin::{Projected, Step};
use crate::time::{Elapsed, Limit, nanoseconds, sleep};

/// Fails calls with [`Elapsed`] when they take too long.
///
/// The error of the service inside has to be made from it: `S::Error: From<Elapsed>`, which `io::Error` satisfies.
/// There is no default: what is too long is known by the caller alone.
///
/// ```
/// use mainspring::service::{Filtered, Service, ServiceExt, Timeout, service_fn};
/// use std::io;
/// use std::time::Duration;
///
/// let service = service_fn(async |n: u32| Ok::<_, io::Error>(n + 1));
/// let attempt = service.timeout(Duration::from_secs(5));
/// let total = Filtered::new(Timeout::new(Duration::from_secs(20)), attempt); // the same, spelt out
/// # mainspring::run(async { assert_eq!(total.call(1).await.unwrap(), 2) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    /// How long a call may take.
    duration: Duration,
}

impl Timeout {
    /// Bounds each call to `duration`, counted from when it first waits.
    ///
    /// Zero gives a call one poll; [`Duration::MAX`] is no bound.
    pub const fn new(duration: Duration) -> Self {
        Self { duration }
    }
}

impl<Request, S> Filter<Request, S> for Timeout
where
    S: Service<Request>,
    S::Error: From<Elapsed>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        Projected::new(next.call(request), Deadline(FromFirstPoll::Unset(nanoseconds(self.duration))))
    }
}

/// A limit that is counted from its first poll.
enum FromFirstPoll {
    /// Not polled yet: how long it is, in nanoseconds.
    Unset(u64),
    /// It runs.
    Set(Limit),
}

impl Future for FromFirstPoll {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Unset(duration) = *self {
            *self = Self::Set(Limit(sleep(Duration::from_nanos(duration))));
        }
        match &mut *self {
            Self::Set(limit) => Pin::new(limit).poll(cx),
            Self::Unset(_) => unreachable!("it has just been set"),
        }
    }
}

/// The state beside a call: the future that is ready when the time is over.
#[derive(Debug)]
struct Deadline<D>(D);

impl<F, D, Response, Error> Step<F> for Deadline<D>
where
    F: Future<Output = Result<Response, Error>>,
    D: Future<Output = ()> + Unpin,
    Error: From<Elapsed>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, inner: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(result) = inner.poll(cx) {
            return Poll::Ready(result);
        }
        ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(Err(Elapsed(()).into()))
    }
}

#[cfg(test)]
mod tests {
    //! The core with a deadline that is told when to fire, so that no clock and no reactor is needed.
    use std::cell::Cell;
    use std::future::{pending, poll_fn, ready};
    use std::io;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;

    /// Fires once `fired` is set, and counts how often it was asked.
    #[derive(Clone, Default)]
    struct Double {
        fired: Rc<Cell<bool>>,
        polls: Rc<Cell<u32>>,
    }

    impl Future for Double {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            self.polls.set(self.polls.get() + 1);
            if self.fired.get() { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_result_that_is_there_wins_over_a_deadline_that_has_passed() {
        let double = Double::default();
        double.fired.set(true);
        let future = pin!(Projected::new(ready(Ok::<_, io::Error>(7)), Deadline(double.clone())));
        assert!(matches!(poll_once(future), Poll::Ready(Ok(7))));
        assert_eq!(double.polls.get(), 0);
    }

    #[test]
    fn an_expired_call_is_polled_once_more_and_fails_with_the_converted_error() {
        let double = Double::default();
        let polls = Cell::new(0);
        let never = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<io::Result<()>>::Pending
        });
        let mut future = pin!(Projected::new(never, Deadline(double.clone())));
        assert!(poll_once(future.as_mut()).is_pending());
        double.fired.set(true);
        let Poll::Ready(Err(error)) = poll_once(future.as_mut()) else {
            panic!("the deadline has passed and the call is not there");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!((polls.get(), double.polls.get()), (2, 2));
    }

    #[test]
    fn three_deadlines_add_three_states_and_nothing_else() {
        let inner = async {
            let request = [0_u8; 512];
            pending::<()>().await;
            Ok::<_, io::Error>(request[0])
        };
        let expected = size_of_val(&inner) + 3 * size_of::<Double>();
        let once = Projected::new(inner, Deadline(Double::default()));
        let twice = Projected::new(once, Deadline(Double::default()));
        let thrice = Projected::new(twice, Deadline(Double::default()));
        assert!(size_of_val(&thrice) <= expected.next_multiple_of(align_of::<Double>()));
    }
}
