//! What holds for every codec, whatever arrives: any split of the bytes gives the same items and errors, no step goes
//! on for ever, what is kept is bounded, and what was decoded is decoded again from its encoding.
//!
//! An input is a byte for the settings of the codec, four bytes for where it is split, and the bytes that arrive.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{self, Read};

use mainspring::codec::{Decoder, Encoder, Framed, Next};

/// The settings, the seed of the split, and the bytes.
pub fn parts(input: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (&settings, rest) = input.split_first()?;
    let (seed, bytes) = rest.split_first_chunk()?;
    Some((settings, u32::from_be_bytes(*seed), bytes))
}

/// Gives each part in a read of its own, and "not yet" between them.
struct Parts<'a> {
    parts: VecDeque<&'a [u8]>,
    /// Whether the next read finds nothing.
    pauses: bool,
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pauses = !self.pauses;
        if self.pauses {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(part) = self.parts.front_mut() else { return Ok(0) };
        let count = part.read(buffer)?;
        if part.is_empty() {
            self.parts.pop_front();
        }
        Ok(count)
    }
}

/// All items and errors, errors by their kind.
fn decode<C: Decoder<Error = io::Error>>(codec: C, parts: Vec<&[u8]>) -> Vec<Result<C::Item, io::ErrorKind>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Whatever there is, there is an item or an error for each byte at most, one at the end, and the end.
    let mut left = 2 * (length + parts.len()) + 8;
    let mut framed = Framed::new(Parts { parts: parts.into(), pauses: false }, codec);
    let mut items = Vec::new();
    loop {
        left = left.checked_sub(1).expect("the decoder goes on and on");
        assert!(framed.received().len() <= 2 * 1024 * 1024);
        match framed.try_next() {
            Ok(Next::Item(item)) => items.push(Ok(item)),
            Ok(Next::NotYet) => {}
            Ok(Next::End) => return items,
            Err(error) => items.push(Err(error.kind())),
        }
    }
}

/// Decodes at once, byte by byte, and split where `seed` says, and returns the items.
pub fn same_however_split<C>(codec: impl Fn() -> C, seed: u32, bytes: &[u8]) -> Vec<Result<C::Item, io::ErrorKind>>
where
    C: Decoder<Error = io::Error>,
    C::Item: PartialEq + Debug,
{
    let whole = decode(codec(), if bytes.is_empty() { vec![] } else { vec![bytes] });
    let (mut parts, mut rest, mut state) = (Vec::new(), bytes, seed);
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (part, after) = rest.split_at(rest.len().min(1 + (state >> 16) as usize % 23));
        parts.push(part);
        rest = after;
    }
    assert_eq!(decode(codec(), parts), whole);
    assert_eq!(decode(codec(), bytes.chunks(1).collect()), whole);
    whole
}

/// Encodes the items, and decodes the same.
pub fn same_when_encoded<C, I>(codec: impl Fn() -> C, items: impl IntoIterator<Item = I>)
where
    C: Decoder<Item = I, Error = io::Error> + Encoder<I, Error = io::Error>,
    I: Clone + PartialEq + Debug,
{
    let (mut bytes, mut expected, mut encoder) = (Vec::new(), Vec::new(), codec());
    for item in items {
        let length = bytes.len();
        match encoder.encode(item.clone(), &mut bytes) {
            Ok(()) => expected.push(Ok(item)),
            Err(_) => bytes.truncate(length),
        }
    }
    assert_eq!(decode(codec(), vec![&bytes]), expected);
}
