//! The echo by hand: `echo-loop BUFFER`.
#![forbid(unsafe_code)]

mod echo;

use std::io;

fn main() -> io::Result<()> {
    echo_loop::run::<echo::Echo>("usage: echo-loop BUFFER")
}
