//! Shared by the interop programs of this folder, and open to tests of them.
//!
//! [`hyper`] serves HTTP/1.1 and HTTP/2 on one port. [`websocket`] is tungstenite over a stream of Mainspring.
#![forbid(unsafe_code)]

pub mod hyper;
pub mod websocket;
