//! A line in each frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainspring::codec::{LengthDelimited, Lines, Nested};

fuzz_target!(|input: &[u8]| {
    let Some((settings, seed, bytes)) = mainspring_fuzz::parts(input) else { return };
    let codec = || Nested::new(LengthDelimited::new().width(1), Lines::new().max_length(settings.into()));
    let items = mainspring_fuzz::same_however_split(codec, seed, bytes);
    mainspring_fuzz::same_when_encoded(codec, items.into_iter().flatten());
});
