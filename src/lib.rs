//! A Finagle-inspired network application framework on its own epoll and kqueue reactor.
#![deny(unsafe_code)]

pub mod channel;
mod pin;
#[allow(dead_code)]
mod scope;
pub mod service;
#[allow(dead_code, unused_imports)]
mod sync;
