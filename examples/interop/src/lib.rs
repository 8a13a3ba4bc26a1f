//! Shared by the interop programs of this folder, and open to tests of them.
//!
//! [`hyper`] serves HTTP/1.1 and HTTP/2 on one port. [`tls`] is TLS by rustls.
//! [`websocket`] is tungstenite over a stream of Mainspring, [`entrance`] a page and its WebSocket on one port.
#![forbid(unsafe_code)]

pub mod entrance;
pub mod hyper;
pub mod tls;
pub mod websocket;
