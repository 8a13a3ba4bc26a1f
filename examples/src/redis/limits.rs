//! The bounds on what one peer can make a connection hold. All in bytes unless they say otherwise.

/// One string. Redis has 512 MiB; here a frame is kept in memory whole, once as bytes and once as values.
pub const BULK: usize = 8 * 1024 * 1024;

/// A whole frame as it arrives, with all the strings in it: what `Framed::max_frame` is to be set to.
pub const FRAME: usize = 2 * BULK;

/// Values in a frame, in items, those of arrays within arrays together. Redis's bound for the arguments of a command.
pub const ITEMS: usize = 1024 * 1024;

/// Arrays within arrays, in items: what `COMMAND DOCS`, the deepest known, has thrice over.
pub const DEPTH: usize = 32;

/// A line: a status, an error, or a command that is typed by hand. Redis's own bound.
pub const LINE: usize = 64 * 1024;

/// What an array has room for before its values have arrived, in items. Most replies fit in it.
pub(super) const RESERVED: usize = 16;
