//! Frames of three bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainspring::codec::Fixed;

fuzz_target!(|input: &[u8]| {
    let Some((_, seed, bytes)) = mainspring_fuzz::parts(input) else { return };
    let items = mainspring_fuzz::same_however_split(Fixed::<3>::new, seed, bytes);
    assert_eq!(items.iter().flatten().count(), bytes.len() / 3);
    mainspring_fuzz::same_when_encoded(Fixed::<3>::new, items.into_iter().flatten());
});
