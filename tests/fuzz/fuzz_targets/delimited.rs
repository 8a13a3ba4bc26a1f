//! Frames up to a delimiter: one byte, two, one that begins as it ends, and a long one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainspring::codec::Delimited;

fuzz_target!(|input: &[u8]| {
    let Some((settings, seed, bytes)) = mainspring_fuzz::parts(input) else { return };
    let delimiter: &[u8] = [&b"\0"[..], b"\r\n", b"aba", b"--boundary--"][usize::from(settings & 3)];
    let codec = || Delimited::by(delimiter).max_length((settings >> 2).into());
    let items = mainspring_fuzz::same_however_split(codec, seed, bytes);
    mainspring_fuzz::same_when_encoded(codec, items.into_iter().flatten());
});
