//! std I/O, with the position kept in the future: `read_exact`, `write_all`, `copy` and the like over any
//! [`Read`](std::io::Read), [`BufRead`](std::io::BufRead) and [`Write`](std::io::Write).
//!
//! **Inside [`ready`](crate::ready) the functions of std that loop lose or repeat bytes.** They start anew when they
//! are called again after a "not yet":
//!
//! | std | called again after "not yet" | use |
//! |---|---|---|
//! | `Read::read_exact` | overwrites what it has read | [`read_exact`] |
//! | `BufRead::read_line` | loses the start of the line, or half a character | [`read_line`] |
//! | `Write::write_all`, `write!` | repeats what it has written | [`write_all`] |
//! | `std::io::copy` | loses what it has read and not written | [`copy()`], [`copy_bidirectional()`] |
//! | `Read::read_to_end` | is resumable, and has no limit | [`read_to_end`] |
//! | `BufRead::lines` | loses the start of a line, and has no limit | [`lines()`] |
//!
//! Whatever makes one step, and keeps its own position, needs nothing but `ready`: `BufRead::fill_buf`, a `Take`, a
//! `BufWriter`, a TLS stream. [`read`], [`write()`] and [`flush`] are such steps, spelled so that they collide neither
//! with std's traits nor with the methods of sockets. [`resume`] drives handshakes that are consumed by each step.
//!
//! The functions make a source of no kind: where a wrapper says `WouldBlock` and no source of the running reactor did,
//! nothing would ever wake the task, so the answer is an error. Each step costs a unit of the task's budget, also on a
//! reader in memory, so that a long copy gives way to others. [`Pollable`] is for libraries that poll. Traits of our
//! own (`AsyncRead`, as in other runtimes) were turned down: every wrapper in the world would have to be written again
//! for them.
//!
//! In the guide: [the four ways to wait](crate::guide::styles).

mod attempt;
mod copy;
mod copy_bidirectional;
mod flush;
#[cfg(feature = "futures-io")]
mod futures_io;
mod half_close;
mod lines;
mod poll_try;
mod pollable;
mod pooled_buffer;
mod pump;
mod read;
mod read_exact;
mod read_line;
mod read_pooled;
mod read_to_end;
mod resume;
mod shutdown;
mod split;
mod write;
mod write_all;

pub use attempt::Attempt;
pub use copy::{copy, copy_with_size};
pub use copy_bidirectional::{copy_bidirectional, copy_bidirectional_with_sizes};
pub use flush::flush;
pub use half_close::HalfClose;
pub use lines::{Lines, lines};
pub use pollable::Pollable;
pub use pooled_buffer::PooledBuffer;
pub use read::read;
pub use read_exact::read_exact;
pub use read_line::read_line;
pub use read_pooled::{read_pooled, try_read_pooled};
pub use read_to_end::read_to_end;
pub use resume::resume;
pub use shutdown::shutdown;
pub use split::{ReadHalf, WriteHalf, split};
pub use write::write;
pub use write_all::write_all;
