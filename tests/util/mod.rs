//! Helpers shared by the test files.
#![allow(dead_code)]

pub(crate) mod counting_waker;
pub(crate) mod hook_waker;
pub(crate) mod in_virtual_time;
pub(crate) mod random;
pub(crate) mod runtime;
