//! The filter that tells of each call: that it begins, and what became of it after how long.
//!
//! For logs, spans and samples of one's own. Its place is the outermost, where it tells of what was asked for; a second
//! one below the retries tells of attempts. Applied by `filter`.
//!
//! Guarantees: of each call that is made the [`Tracer`] hears at once, and then exactly one of its result and its drop,
//! with the time since it was made. What it returns for a call, its span, comes back to it with the end. The filter
//! keeps nothing besides, has no bound and no error of its own, and allocates nothing; the tracer is its argument, and
//! there is none by default.
//!
//! The trade-off: a trait of three functions, and not two closures: the second one would have to be made by the first
//! to know of which call it is told. The feature `tracing` is another matter: by it the reactor tells of polls of
//! tasks.
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::called::Calling;
use super::{Filter, Service};
use crate::pin::{Projected, Step};
use crate::time::Instant;

/// Hears of calls, for [`Trace`]. It is called in the middle of each, and should be quick; a panic in it is that of the
/// call.
#[diagnostic::on_unimplemented(message = "`{Self}` does not trace calls of `{Request}` to `{Response}` and `{Error}`")]
pub trait Tracer<Request, Response, Error> {
    /// What it knows of a call while that runs: a span, a number, a name.
    type Span;

    /// A call is made.
    fn begins(&self, request: &Request) -> Self::Span;

    /// It has ended so, and took so long.
    fn ends(&self, span: Self::Span, took: Duration, result: &Result<Response, Error>);

    /// It was dropped before it had ended, after so long: its caller has gone, or a filter around it has given it up.
    fn is_dropped(&self, span: Self::Span, took: Duration);
}

impl<T: Tracer<Request, Response, Error> + ?Sized, Request, Response, Error> Tracer<Request, Response, Error>
    for Rc<T>
{
    type Span = T::Span;

    fn begins(&self, request: &Request) -> T::Span {
        (**self).begins(request)
    }

    fn ends(&self, span: T::Span, took: Duration, result: &Result<Response, Error>) {
        (**self).ends(span, took, result);
    }

    fn is_dropped(&self, span: T::Span, took: Duration) {
        (**self).is_dropped(span, took);
    }
}

/// Tells a [`Tracer`] of each call.
///
/// ```
/// use mainspring::service::{Service, ServiceExt, Trace, Tracer, service_fn};
/// use std::fmt::{Debug, Display};
/// use std::time::Duration;
///
/// /// One line for each call.
/// struct Log;
///
/// impl<Request: Debug, Response, Error: Display> Tracer<Request, Response, Error> for Log {
///     type Span = String;
///
///     fn begins(&self, request: &Request) -> String {
///         format!("{request:?}")
///     }
///
///     fn ends(&self, request: String, took: Duration, result: &Result<Response, Error>) {
///         match result {
///             Ok(_) => println!("{request} took {took:?}"),
///             Err(error) => println!("{request} failed after {took:?}: {error}"),
///         }
///     }
///
///     fn is_dropped(&self, request: String, took: Duration) {
///         println!("{request} was given up after {took:?}");
///     }
/// }
///
/// let parse = service_fn(async |text: &str| text.parse::<u32>()).filter(Trace::new(Log));
/// mainspring::testing::run(async {
///     parse.call("seven").await.unwrap_err(); // "seven" failed after 0ns: invalid digit found in string
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Trace<T> {
    tracer: T,
}

impl<T> Trace<T> {
    /// Tells `tracer`. To keep a part in it, share it: an `Rc` of a tracer is one.
    pub const fn new(tracer: T) -> Self {
        Self { tracer }
    }
}

impl<T, Request, S> Filter<Request, S> for Trace<T>
where
    T: Tracer<Request, S::Response, S::Error>,
    S: Service<Request>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    #[inline]
    fn apply(&self, request: Request, next: &S) -> impl Future<Output = Result<S::Response, S::Error>> {
        let calling = Calling::begin();
        let span = Some(self.tracer.begins(&request));
        // Before the call is made, which may panic: that is told as a drop.
        let told = Told { tracer: &self.tracer, since: calling.since, span };
        Projected::new(next.call(request), told)
    }
}

/// What is known beside a call.
struct Told<'a, T: Tracer<Request, Response, Error>, Request, Response, Error> {
    tracer: &'a T,
    /// When it was made.
    since: Instant,
    /// What the tracer knows of it; none once it was told of the end.
    span: Option<T::Span>,
}

impl<F, T, Request, Response, Error> Step<F> for Told<'_, T, Request, Response, Error>
where
    F: Future<Output = Result<Response, Error>>,
    T: Tracer<Request, Response, Error>,
{
    type Output = Result<Response, Error>;

    #[inline]
    fn step(&mut self, call: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(call.poll(cx));
        if let Some(span) = self.span.take() {
            self.tracer.ends(span, self.since.elapsed(), &result);
        }
        Poll::Ready(result)
    }
}

impl<T: Tracer<Request, Response, Error>, Request, Response, Error> Drop for Told<'_, T, Request, Response, Error> {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.tracer.is_dropped(span, self.since.elapsed());
        }
    }
}
