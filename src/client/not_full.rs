//! What a result says of an endpoint to the balance: as to all others, but that a call which found no place says
//! nothing.
//!
//! Around the classifier of the client, for the balance alone: a retry goes by the classifier as it is, and makes such
//! a call again. Places are the client's own, so that all of them are taken is no failure of a peer that answers as
//! fast as ever; and whoever has none is Busy, which the balance goes by already.
//!
//! Guarantees: [`Rejected::Full`] alone is told apart. What is [`Down`](Rejected::Down) fails at once, and would look
//! best if it did not count as slow.
use super::Error;
use crate::service::{Class, Classifier, Rejected};

/// As the classifier inside, but that a call which found no place is ignored.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotFull<C>(pub(super) C);

impl<C, Response, E> Classifier<Response, Error<E>> for NotFull<C>
where
    C: Classifier<Response, Error<E>>,
{
    fn classify(&self, result: &Result<Response, Error<E>>) -> Class {
        match result {
            Err(Error::Rejected(Rejected::Full)) => Class::Ignored,
            result => self.0.classify(result),
        }
    }
}
