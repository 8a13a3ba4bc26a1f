//! What a message has to say of itself, so that answers find their calls.
//!
//! Implemented by the message types of a protocol, for each direction; asked by the client and the server of this
//! module. What a message carries besides is not looked at.
//!
//! An implementor promises that a message has the role that it was given, in particular that [`Frame::role`] tells the
//! id that [`Frame::set_id`] has set, and that its ids fit the range that it names.
//!
//! Whatever a protocol may lack (cancellation, pings, a farewell) is a function that gives none unless it is written.
//! Traits of their own for each were turned down: client and server would have a bound for each, and nothing can ask
//! whether a type has them.
use std::ops::RangeInclusive;

use super::Role;

/// A message of a multiplexed protocol.
///
/// # Examples
///
/// Messages of an id, a flag and text:
///
/// ```
/// use mainspring::proto::multiplex::{Frame, Role};
///
/// struct Message {
///     id: u32,
///     is_cancel: bool,
///     text: String,
/// }
///
/// impl Frame for Message {
///     fn role(&self) -> Role {
///         let id = u64::from(self.id);
///         if self.is_cancel { Role::Cancel(id) } else { Role::Call(id) }
///     }
///
///     fn set_id(&mut self, id: u64) {
///         self.id = id as u32; // within IDS
///     }
///
///     fn cancel(id: u64) -> Option<Self> {
///         Some(Self { id: id as u32, is_cancel: true, text: String::new() })
///     }
/// }
/// # let mut message = Message { id: 0, is_cancel: false, text: "hello".into() };
/// # message.set_id(7);
/// # assert_eq!((message.role(), message.text.len()), (Role::Call(7), 5));
/// ```
pub trait Frame: Sized {
    /// The ids that a client gives to its requests. As provided, all of 32 bits but 0, which many protocols reserve.
    ///
    /// They are given out in turn, so that one is used again as late as possible, and never before its answer has come.
    const IDS: RangeInclusive<u64> = 1..=u32::MAX as u64;

    /// Whether a request that was cancelled is answered all the same, by its answer or a message of [`Role::Cancel`].
    /// As provided it is, and its id stays taken until then. If not, the id is free once the cancellation is sent;
    /// answers that have crossed it are thrown away, as long as the id was not used again.
    const ANSWERS_CANCELLED: bool = true;

    /// What the message is.
    fn role(&self) -> Role;

    /// Gives an id of [`IDS`](Self::IDS) to a request, or the id of the request to its answer.
    fn set_id(&mut self, id: u64);

    /// The message that cancels the request of this id; from a server, the one that confirms it. As provided, none.
    fn cancel(id: u64) -> Option<Self> {
        let _ = id;
        None
    }

    /// The message by which a server refuses to begin the request of this id. As provided, none.
    fn refuse(id: u64) -> Option<Self> {
        let _ = id;
        None
    }

    /// The question whether the peer is there. As provided, none, and a client sends no pings.
    fn ping(number: u64) -> Option<Self> {
        let _ = number;
        None
    }

    /// The answer to a ping of this number. As provided, none.
    fn pong(number: u64) -> Option<Self> {
        let _ = number;
        None
    }

    /// The message by which a server says that it begins no further request. As provided, none.
    fn go_away() -> Option<Self> {
        None
    }
}
