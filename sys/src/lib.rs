//! The operating system, behind a small trait.
