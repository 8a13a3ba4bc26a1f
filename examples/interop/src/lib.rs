//! Shared by the interop programs of this folder, and open to tests of them.
//!
//! [`websocket`] is tungstenite over a stream of Mainspring.
#![forbid(unsafe_code)]

pub mod websocket;
