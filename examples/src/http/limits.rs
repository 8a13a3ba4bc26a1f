//! The bounds on what one peer can make a connection hold. All in bytes unless they say otherwise.

/// A head: the request line and the header fields. Also a trailer section. Beyond it: 431, or 414 if the request line
/// alone is longer.
pub const HEAD: usize = 16 * 1024;

/// A request target. Beyond it: 414. Half of a head, so that the fields have room beside it.
pub const TARGET: usize = 8 * 1024;

/// Header fields, in items. Beyond it: 431. What most servers allow.
pub const FIELDS: usize = 100;

/// A body, after the chunks are joined. Beyond it: 413. nginx's default.
pub const BODY: usize = 1024 * 1024;

/// A body as it arrives in chunks, with their sizes: at most as much framing as body. Beyond it: 413.
pub const CHUNKED_BODY: usize = 2 * BODY;

/// The line before a chunk, which holds its size and extensions that nobody reads. Beyond it: 400.
pub const CHUNK_LINE: usize = 256;

/// A whole request as it arrives: what `Framed::max_frame` is to be set to.
pub const REQUEST: usize = HEAD + CHUNKED_BODY + HEAD;

/// What is still read and thrown away after the last response of a connection.
pub const LINGERING: usize = 32 * BODY;

/// The body of an answer that a proxy passes on. Beyond it: 502.
pub const ANSWER: usize = 16 * BODY;

/// A whole such answer as it arrives, chunks with their sizes: what `Framed::max_frame` is to be set to.
pub const WHOLE_ANSWER: usize = HEAD + 2 * ANSWER + HEAD;
