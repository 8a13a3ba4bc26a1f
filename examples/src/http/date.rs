//! The `Date` of responses (RFC 9110, section 6.6.1): formatted once a second on each thread, and copied from then on.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of the field with an IMF-fixdate, `Date: Sun, 06 Nov 1994 08:49:37 GMT`, and the ends of two lines.
const LENGTH: usize = 39;

/// The last second that has four digits for its year.
const LAST: u64 = 253_402_300_799;

/// A second, and the field that says it.
#[derive(Clone, Copy)]
struct Second {
    begin: SystemTime,
    end: SystemTime,
    text: [u8; LENGTH],
}

thread_local! {
    /// The second that was formatted last; none of 0 s before the first.
    static NOW: Cell<Second> = const { Cell::new(Second { begin: UNIX_EPOCH, end: UNIX_EPOCH, text: [b' '; LENGTH] }) };
}

/// Appends the end of the line before, and the field.
#[inline]
pub(super) fn write(output: &mut Vec<u8>) {
    let mut second = NOW.get();
    let now = SystemTime::now();
    if now < second.begin || now >= second.end {
        second = formatted(now).unwrap_or(second);
        NOW.set(second);
    }
    output.extend_from_slice(&second.text);
}

/// The second that `now` is in.
#[cold]
fn formatted(now: SystemTime) -> Option<Second> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let begin = UNIX_EPOCH.checked_add(Duration::from_secs(since.as_secs().min(LAST)))?;
    let end = begin.checked_add(Duration::from_secs(1))?;
    let text = format!("\r\nDate: {}\r\n", httpdate::fmt_http_date(begin)).as_bytes().try_into().ok()?;
    Some(Second { begin, end, text })
}
