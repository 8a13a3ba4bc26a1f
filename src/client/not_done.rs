//! What a client makes again by itself: what has not been done for certain.
//!
//! The default of [`ClientBuilder::classifier`](super::ClientBuilder::classifier), by which retries, failure accrual
//! and the balance go. It knows no protocol: of what failed on a connection it does not say that it may be made again.
//!
//! [`Cautious`](crate::service::Cautious) would not do: a connection that could not be made is no rejection, and yet
//! nothing was sent on it.
use super::Error;
use crate::service::{Class, Classifier};

/// Responses are successes and errors are failures; what was rejected, or found no connection, is retryable. The
/// default.
///
/// ```
/// use mainspring::client::{Error, NotDone};
/// use mainspring::proto::pipeline;
/// use mainspring::service::{Class, Classifier};
///
/// // The same, and what the protocol knows not to have been sent.
/// let classifier = |result: &Result<String, Error<pipeline::Error>>| match result {
///     Err(Error::Call(error)) if error.is_retryable() => Class::Retryable,
///     result => NotDone.classify(result),
/// };
/// # let _ = mainspring::Client::builder().classifier(classifier);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NotDone;

impl<Response, E> Classifier<Response, Error<E>> for NotDone {
    fn classify(&self, result: &Result<Response, Error<E>>) -> Class {
        match result {
            Ok(_) => Class::Success,
            Err(Error::Rejected(_) | Error::Connect(..) | Error::ConnectUnix(..)) => Class::Retryable,
            Err(Error::Elapsed(_) | Error::Call(_)) => Class::Failure,
        }
    }
}
