//! The `Date` of responses (RFC 9110, section 6.6.1): formatted once a second on each thread, and copied from then on.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`.
const LENGTH: usize = 29;

/// The last second that has four digits for its year.
const LAST: u64 = 253_402_300_799;

thread_local! {
    /// The second since 1970 that was formatted last, and its text.
    static NOW: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [b' '; LENGTH])) };
}

/// Appends the date and time of now.
pub(super) fn write(output: &mut Vec<u8>) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = since.as_secs().min(LAST);
    let (known, mut text) = NOW.get();
    if known != second {
        let formatted = UNIX_EPOCH.checked_add(Duration::from_secs(second)).map(httpdate::fmt_http_date);
        if let Some(Ok(formatted)) = formatted.map(|date| date.as_bytes().try_into()) {
            text = formatted;
            NOW.set((second, text));
        }
    }
    output.extend_from_slice(&text);
}
