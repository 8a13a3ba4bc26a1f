//! A Finagle-inspired network application framework on its own epoll and kqueue reactor.
#![deny(unsafe_code)]

pub mod codec;
pub mod proto;
#[allow(dead_code)]
mod scope;
pub mod service;
