//! The messages of a multiplexed protocol that has everything, or nothing but requests and answers.
use std::ops::RangeInclusive;

use mainspring::proto::multiplex::{Frame, Role};

/// A message with ids up to `LAST`. `RICH` ones have cancellations, refusals, pings and farewells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message<const LAST: u64 = 1_000, const RICH: bool = true> {
    pub(crate) role: Role,
    pub(crate) body: u32,
}

impl<const LAST: u64, const RICH: bool> Message<LAST, RICH> {
    pub(crate) const fn new(role: Role, body: u32) -> Self {
        Self { role, body }
    }

    /// A request that has no id yet.
    pub(crate) const fn request(body: u32) -> Self {
        Self::new(Role::Call(u64::MAX), body)
    }

    pub(crate) const fn call(id: u64, body: u32) -> Self {
        Self::new(Role::Call(id), body)
    }

    /// One without a body.
    pub(crate) const fn only(role: Role) -> Self {
        Self::new(role, 0)
    }

    fn rich(role: Role) -> Option<Self> {
        RICH.then_some(Self::only(role))
    }
}

impl<const LAST: u64, const RICH: bool> Frame for Message<LAST, RICH> {
    const IDS: RangeInclusive<u64> = 0..=LAST;

    fn role(&self) -> Role {
        self.role
    }

    fn set_id(&mut self, id: u64) {
        assert!(matches!(self.role, Role::Call(_)), "only requests and answers have an id: {self:?}");
        self.role = Role::Call(id);
    }

    fn cancel(id: u64) -> Option<Self> {
        Self::rich(Role::Cancel(id))
    }

    fn refuse(id: u64) -> Option<Self> {
        Self::rich(Role::Refuse(id))
    }

    fn ping(number: u64) -> Option<Self> {
        Self::rich(Role::Ping(number))
    }

    fn pong(number: u64) -> Option<Self> {
        Self::rich(Role::Pong(number))
    }

    fn go_away() -> Option<Self> {
        Self::rich(Role::GoAway)
    }
}
