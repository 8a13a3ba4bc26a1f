//! What a result means to those that decide by results.
//!
//! A [`Classifier`] says it once, and retries, hedges, failure accrual, balancing and statistics go by it: so a
//! response that is an error of its protocol ("503") is one for all of them. A closure is one; so are [`Cautious`], the
//! default everywhere, and [`Idempotent`].
//!
//! Guarantees asked of a classifier: it is cheap, and says the same of the same.
//!
//! The trade-off: it sees the result and not the request, which all but retries have handed on by then; one that also
//! had to be generic over requests could not be shared by stacks. Retries are told of requests by
//! [`Retry::idempotent`](super::Retry::idempotent).
use std::error::Error;
use std::io;

use super::Rejected;

/// How far the causes of an error are followed, in items: more than any has, and an end for one that causes itself.
const CAUSES_MAX: usize = 32;

/// What a result means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// As it should be.
    Success,
    /// Says nothing of the service: neither good nor bad.
    Ignored,
    /// It failed, and may be tried again: it did nothing, or does the same however often.
    Retryable,
    /// It failed, and must not be tried again.
    Failure,
}

impl Class {
    /// Whether it failed, retryable or not.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Retryable | Self::Failure)
    }
}

/// Says what results mean.
///
/// ```
/// use mainspring::service::{Class, Classifier};
///
/// let by_code = |result: &Result<u16, std::io::Error>| match result {
///     Ok(503) => Class::Retryable,
///     Ok(500..) => Class::Failure,
///     Ok(400..) => Class::Ignored, // the caller's own fault
///     Ok(_) => Class::Success,
///     Err(_) => Class::Failure,
/// };
/// assert_eq!(by_code.classify(&Ok(503)), Class::Retryable);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not classify results of `{Response}` and `{Error}`",
    note = "`Cautious`, the default, needs an error that is a `std::error::Error + 'static`; for others give `classifier(Idempotent)` or a closure"
)]
pub trait Classifier<Response, Error> {
    /// What `result` means.
    fn classify(&self, result: &Result<Response, Error>) -> Class;
}

impl<F, Response, Error> Classifier<Response, Error> for F
where
    F: Fn(&Result<Response, Error>) -> Class,
{
    fn classify(&self, result: &Result<Response, Error>) -> Class {
        self(result)
    }
}

/// Responses are successes and errors are failures; what is known not to have been done is retryable, which is an error
/// that is or was caused by [`Rejected`]. The default.
///
/// It takes the rejection for one of the call itself. A service that does something and then calls another, whose
/// rejection it returns, says so by an error that has no such cause, or has a classifier of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cautious;

impl<Response, E: Error + 'static> Classifier<Response, E> for Cautious {
    fn classify(&self, result: &Result<Response, E>) -> Class {
        match result {
            Ok(_) => Class::Success,
            Err(error) if is_rejected(error) => Class::Retryable,
            Err(_) => Class::Failure,
        }
    }
}

/// Responses are successes, and all errors are retryable: for requests that do the same however often they are done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Idempotent;

impl<Response, Error> Classifier<Response, Error> for Idempotent {
    fn classify(&self, result: &Result<Response, Error>) -> Class {
        if result.is_ok() { Class::Success } else { Class::Retryable }
    }
}

/// Whether an error, or what caused it, is a `Rejected`. Causes too, since what rejects asks for `From<Rejected>`
/// alone: most errors have it as one, an `io::Error` and those of clients among them, and nothing tells how many were
/// wrapped around it.
fn is_rejected(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    for _ in 0..CAUSES_MAX {
        let Some(error) = next else { return false };
        if error.is::<Rejected>() {
            return true;
        }
        // Why apart: the cause of an `io::Error` is that of what it wraps, which is left out.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Because(Option<Box<dyn Error>>);

    impl fmt::Display for Because {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("because")
        }
    }

    impl Error for Because {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.0.as_deref()
        }
    }

    #[derive(Debug)]
    struct Itself;

    impl fmt::Display for Itself {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("itself")
        }
    }

    impl Error for Itself {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn a_rejection_is_found_however_deep_it_stands() {
        let io = io::Error::from(Rejected::Down);
        assert!(is_rejected(&Rejected::Full));
        assert!(is_rejected(&io));
        assert!(is_rejected(&Because(Some(Box::new(Because(Some(Box::new(io))))))));
        assert!(is_rejected(&io::Error::other(io::Error::from(Rejected::Shed))));
        assert!(!is_rejected(&Because(None)));
        assert!(!is_rejected(&io::Error::from(io::ErrorKind::ResourceBusy)));
        assert!(!is_rejected(&Itself), "an error that causes itself has an end");
    }
}
