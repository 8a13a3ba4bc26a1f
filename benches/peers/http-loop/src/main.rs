//! HTTP by hand, on the loop of the echo: `http-loop BUFFER`.
//!
//! A program of its own, so that the echo is measured in one that parses nothing.
#![forbid(unsafe_code)]

mod http;

use std::io;

fn main() -> io::Result<()> {
    echo_loop::run::<http::Http>("usage: http-loop BUFFER")
}
