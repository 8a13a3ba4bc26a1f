//! Services of the tower ecosystem, in both directions; with the feature `tower-service` alone.
//!
//! [`FromTower`] makes a service of this crate from one of tower, so that its clients and middleware stand inside a
//! stack; [`IntoTower`] makes one of tower from one of this crate, so that a stack stands inside theirs.
//!
//! The trade-off: what cannot be carried over is not pretended. A tower service says whether it is ready by reserving a
//! place, which is no advice to be asked for free, so [`FromTower`] is always [`Open`](super::Status::Open). A service
//! here is not `Send` and its future borrows it, so [`IntoTower`] boxes each call and serves executors of one thread; a
//! `Send` adapter would have to name the future's type, which `async fn call` has none of. Of the layers in the crate
//! `tower` 0.5, those that need no runtime run here:
//!
//! | runs | needs tokio running |
//! |---|---|
//! | `util`: all of it, `BoxService` for what is `Send` | |
//! | `filter`, `steer`, `load_shed` | |
//! | `limit::concurrency` | `limit::rate`: here [`RateLimit`](super::RateLimit) |
//! | `retry` with a policy of one's own | `retry::backoff`: here [`Retry`](super::Retry) |
//! | `buffer` by `Buffer::pair`, its worker spawned | `Buffer::new`, `spawn_ready` |
//! | | `timeout`: here [`Timeout`](super::Timeout) |
//! | | `hedge`: here [`Hedge`](super::Hedge) |
//! | | `make::MakeConnection`: here [`Client`](crate::Client) |
//!
//! `examples/interop/tests/tower.rs` has each of the left column at work.
mod from_tower;
mod into_tower;

pub use from_tower::FromTower;
pub use into_tower::IntoTower;
