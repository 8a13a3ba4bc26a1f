//! The HTTP service as its users meet it: the built program, asked by curl, by wrk, by a browser and by bare sockets.
//!
//! `cargo test -p examples` builds the program first. Nothing here sleeps to wait for something: the program says
//! `ready`, and each step is answered before the next is taken.
#![forbid(unsafe_code)]

mod bad_input;
mod browser;
mod command_line;
mod connection;
mod curl;
mod dashboard;
mod load;
mod peer;
mod program;
mod stopping;
mod tool;
