//! One service of many endpoints: which of them takes the next call.
//!
//! [`Balance`] chooses among [`Endpoints`], a set that whoever resolves names changes while calls run. Its place is
//! below retries and hedges, so that a second attempt goes elsewhere, and above what belongs to one endpoint: failure
//! accrual, timeout of an attempt, pool.
//!
//! | by | how |
//! |---|---|
//! | [`Balance::new`] | the better of two at random, by the peak of the latency and the calls in flight: the default |
//! | [`Balance::least_loaded`] | the better of two at random, by the calls in flight, for calls whose latency says nothing |
//! | [`Balance::round_robin`] | one after the other, for endpoints and calls that are all alike |
//!
//! An endpoint whose [`Status`](super::Status) is Busy or Closed is avoided, and never thrown out: that is for the
//! resolver alone. When all that are looked at are bad, the least bad is called.
//!
//! Endpoints of a higher [priority](Change::Insert::priority) number are a reserve, as by the records of RFC 2782: one
//! is called while none of the lower ones is open. A tier of which one is left has the load of all of it: what it
//! cannot take makes it Busy, by the limit of an endpoint, and so goes to the reserve.
//!
//! The trade-off: two at random is within a few percent of looking at all, at a cost that does not grow with their
//! number, and does not send everybody to the one that has just become the best (Mitzenmacher, "The Power of Two
//! Choices in Randomized Load Balancing", 2001). `tests/balance_simulation.rs` compares them, in good times and bad.
#[expect(clippy::module_inception, reason = "the file is named after the noun that it holds")]
mod balance;
mod change;
mod endpoint;
mod endpoints;
mod ewma;

pub use balance::Balance;
pub use change::Change;
pub(crate) use change::next;
pub use endpoints::Endpoints;
