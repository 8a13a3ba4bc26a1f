//! The requests of the HTTP example.
#![no_main]

use examples::http::{Http, Incoming};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((_, seed, bytes)) = mainspring_fuzz::parts(input) else { return };
    // An interim answer is asked for only of a client that waits, which depends on the split.
    if bytes.windows(6).any(|window| window.eq_ignore_ascii_case(b"expect")) {
        return;
    }
    let items = mainspring_fuzz::same_however_split(Http::new, seed, bytes);
    let refused = items.iter().position(|item| matches!(item, Ok(Incoming::Refused(_))));
    assert!(refused.is_none_or(|place| place + 1 == items.len()), "nothing comes behind a refusal");
});
