//! Helpers shared by the test files.
#![allow(dead_code)]

pub(crate) mod counting_waker;
pub(crate) mod dropped;
#[cfg(mainspring_faults)]
pub(crate) mod faulty;
pub(crate) mod folder;
pub(crate) mod heap;
pub(crate) mod hook_waker;
pub(crate) mod http;
pub(crate) mod in_virtual_time;
pub(crate) mod outcome;
pub(crate) mod peers;
pub(crate) mod random;
pub(crate) mod runtime;
pub(crate) mod services;
