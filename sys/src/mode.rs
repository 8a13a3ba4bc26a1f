//! How often a registration reports a state that lasts.
//!
//! Chosen at registration, one per descriptor. The reactor uses `Edge` alone, because an edge needs no
//! second system call to be armed again; the others are here for those who use the crate on its own.

/// When a registered descriptor is reported.
///
/// The four are all that epoll and kqueue have in common, so the enum is complete.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// On each change to ready. What was reported is not reported again until something new happens,
    /// so the caller must go on until `WouldBlock` (`EPOLLET`; `EV_CLEAR`).
    Edge,
    /// In every `select` for as long as the state lasts.
    Level,
    /// Once, then not at all until [`reregister`](crate::Selector::reregister) (`EPOLLONESHOT`;
    /// `EV_DISPATCH`, with which reading and writing are each reported once).
    Oneshot,
    /// As `Edge`, and of several selectors that share the descriptor, one or a few are woken and not
    /// all (`EPOLLEXCLUSIVE`). For listeners.
    ///
    /// Where it is epoll: only [`READABLE`](crate::Interest::READABLE) and
    /// [`WRITABLE`](crate::Interest::WRITABLE) may be asked for, the peer's half-close is not reported,
    /// and `reregister` of such a registration, or to this mode, is `InvalidInput`. On kqueue it is
    /// `Edge`.
    Exclusive,
}
