//! A change of what a selector watches, as a value.
//!
//! [`Selector::apply`](crate::Selector::apply) takes a list of them, which kqueue makes by one system call for many: an
//! event loop that arms its sources again after each batch of events, as `Oneshot` asks for, pays for one call where
//! `reregister` would pay for each. The descriptor is borrowed, so that none can be closed between the list and the
//! call.
//!
//! Turned down: a selector that keeps the changes and makes them with its next wait. An error would come after the one
//! who asked has gone on, and a descriptor that is closed meanwhile would pass its change on to the next of its number.

use std::os::fd::BorrowedFd;

use crate::{Interest, Mode, Token};

/// One change of what a selector watches, for [`Selector::apply`](crate::Selector::apply).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each field is the argument of the same name")]
pub enum Change<'fd> {
    /// As [`Selector::register`](crate::Selector::register).
    Register { fd: BorrowedFd<'fd>, token: Token, interest: Interest, mode: Mode },
    /// As [`Selector::reregister`](crate::Selector::reregister).
    Reregister { fd: BorrowedFd<'fd>, token: Token, interest: Interest, mode: Mode },
    /// As [`Selector::deregister`](crate::Selector::deregister).
    Deregister { fd: BorrowedFd<'fd> },
}

impl<'fd> Change<'fd> {
    /// The descriptor that it is about.
    pub const fn fd(&self) -> BorrowedFd<'fd> {
        match *self {
            Self::Register { fd, .. } | Self::Reregister { fd, .. } | Self::Deregister { fd } => fd,
        }
    }
}
