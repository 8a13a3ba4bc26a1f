//! Finding the ends of lines among the bytes that have arrived.
//!
//! A line ends with CR LF and nothing else: a bare LF is refused, because parsers differ on it. Each search goes on
//! where the one before stopped (`Buffer::scanned`), so a search looks at a byte once however it arrives.

use mainspring::codec::Buffer;
use memchr::memchr_iter;

/// Why there is no line, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoLine {
    /// A line feed without a carriage return before it.
    BareLineFeed,
    /// The limit is reached.
    TooLong,
}

/// Where the line that begins at `start` ends, its CR LF included. It may be `limit` bytes long.
pub(super) fn line_end(buffer: &mut Buffer, start: usize, limit: usize) -> Result<Option<usize>, NoLine> {
    find(buffer, start, limit, |_, _| true)
}

/// Where the lines that begin at `start` end: behind an empty one, which may be the first. All may be `limit` bytes
/// long.
pub(super) fn section_end(buffer: &mut Buffer, start: usize, limit: usize) -> Result<Option<usize>, NoLine> {
    find(buffer, start, limit, |section, carriage_return| {
        carriage_return.checked_sub(1).is_none_or(|last| section.get(last) == Some(&b'\n'))
    })
}

/// The end of the first line that is `wanted`, which is told the bytes from `start` on and where the line's CR is.
fn find(
    buffer: &mut Buffer,
    start: usize,
    limit: usize,
    wanted: impl Fn(&[u8], usize) -> bool,
) -> Result<Option<usize>, NoLine> {
    let arrived = buffer.as_slice().get(start..).unwrap_or_default();
    let section = arrived.get(..limit).unwrap_or(arrived);
    let looked_at = buffer.scanned().saturating_sub(start).min(section.len());
    for found in memchr_iter(b'\n', section.get(looked_at..).unwrap_or_default()) {
        let line_feed = looked_at.saturating_add(found);
        let carriage_return = line_feed.checked_sub(1).filter(|&place| section.get(place) == Some(&b'\r'));
        let Some(carriage_return) = carriage_return else {
            return Err(NoLine::BareLineFeed);
        };
        if wanted(section, carriage_return) {
            return Ok(Some(start.saturating_add(line_feed).saturating_add(1)));
        }
    }
    if section.len() >= limit {
        return Err(NoLine::TooLong);
    }
    buffer.mark_scanned(buffer.len());
    Ok(None)
}
