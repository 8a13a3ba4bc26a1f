//! Counts and times; see `--help`.

fn main() {}
