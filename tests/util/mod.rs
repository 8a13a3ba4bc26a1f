//! Helpers shared by the test files.
#![allow(dead_code)]

pub(crate) mod counting_waker;
pub(crate) mod dropped;
#[cfg(all(mainspring_faults, feature = "service"))]
pub(crate) mod faulty;
pub(crate) mod folder;
pub(crate) mod heap;
pub(crate) mod hook_waker;
#[cfg(feature = "service")]
pub(crate) mod http;
pub(crate) mod in_virtual_time;
#[cfg(feature = "service")]
pub(crate) mod outcome;
#[cfg(feature = "service")]
pub(crate) mod peers;
pub(crate) mod random;
pub(crate) mod runtime;
#[cfg(feature = "service")]
pub(crate) mod services;
