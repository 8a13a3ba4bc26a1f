//! A number to seed with.
//!
//! For what must differ between processes and reactors but need not be secret: the choice of a replica,
//! the jitter of a back-off. The standard library's hash keys, which come from the system's generator
//! once per thread: no dependency, and no failure to handle.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// 64 bits that nobody foresees, another value with each call. Not for keys or anything secret.
pub fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}
