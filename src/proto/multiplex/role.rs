//! What a message is, as far as the dispatchers have to know.
//!
//! The answer of [`Frame::role`](super::Frame::role). A protocol has those that it has; most have `Call` alone.
//!
//! One enum for both directions, since a protocol has one type of message as a rule. An enum for each side was turned
//! down: it would say which are possible where, and cost a second trait for it.

/// What a message is for.
///
/// | | a client that receives it | a server that receives it |
/// |---|---|---|
/// | `Call` | has the answer of that id | answers it |
/// | `Cancel` | the call of that id fails: the peer has given it up | drops the call of that id |
/// | `Refuse` | the call of that id fails, and may be made again | goes on |
/// | `Push` | hands it to [`on_push`](super::Connection::on_push) | has it carried out, and throws the answer away |
/// | `Ping` | sends [`Frame::pong`](super::Frame::pong) | the same |
/// | `Pong` | knows that the peer is there, as from any message | goes on |
/// | `GoAway` | begins no further call | goes on |
///
/// # Examples
///
/// ```
/// use mainspring::proto::multiplex::Role;
///
/// /// Stream ids of Cassandra: negative ones are events of the server.
/// fn role(stream: i16) -> Role {
///     u64::try_from(stream).map_or(Role::Push, Role::Call)
/// }
/// assert_eq!((role(3), role(-1)), (Role::Call(3), Role::Push));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A request, or the answer to it, of this id.
    Call(u64),
    /// The request of this id is not wanted any more, or, from a server, not answered any more.
    Cancel(u64),
    /// The request of this id was not begun.
    Refuse(u64),
    /// It belongs to no call.
    Push,
    /// A question whether the peer is there, with a number that comes back.
    Ping(u64),
    /// The answer to a ping, with its number.
    Pong(u64),
    /// The peer is about to close: what it has begun it will finish.
    GoAway,
}
