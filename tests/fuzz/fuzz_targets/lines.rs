//! Lines, with limits of 0 to 255 bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainspring::codec::Lines;

fuzz_target!(|input: &[u8]| {
    let Some((settings, seed, bytes)) = mainspring_fuzz::parts(input) else { return };
    let codec = || Lines::new().max_length(settings.into());
    let items = mainspring_fuzz::same_however_split(codec, seed, bytes);
    mainspring_fuzz::same_when_encoded(codec, items.into_iter().flatten());
});
