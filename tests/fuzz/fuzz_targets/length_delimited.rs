//! Frames that declare their length, in the shapes of real protocols and in odd ones.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainspring::codec::LengthDelimited;

fuzz_target!(|input: &[u8]| {
    let Some((settings, seed, bytes)) = mainspring_fuzz::parts(input) else { return };
    let codec = || {
        let codec = match settings & 7 {
            0 => LengthDelimited::new(),
            1 => LengthDelimited::new().offset(1).adjustment(-4).strip(0),
            2 => LengthDelimited::new().width(3).adjustment(6).strip(0),
            3 => LengthDelimited::new().offset(5).strip(0),
            4 => LengthDelimited::new().width(8).little_endian(),
            5 => LengthDelimited::new().width(1).adjustment(-1).strip(3),
            6 => LengthDelimited::new().width(8).adjustment(i64::MIN).max_length(usize::MAX),
            _ => LengthDelimited::new().width(2).adjustment(i64::MAX),
        };
        if settings & 8 == 0 { codec } else { codec.max_length((settings >> 4).into()) }
    };
    mainspring_fuzz::same_however_split(codec, seed, bytes);
    if settings & 7 == 0 {
        let items = mainspring_fuzz::same_however_split(codec, seed, bytes);
        mainspring_fuzz::same_when_encoded(codec, items.into_iter().flatten());
    }
});
