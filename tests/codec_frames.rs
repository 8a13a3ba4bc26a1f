//! `LengthDelimited`, `Delimited` and `Fixed`: the same items however the bytes arrive, limits, and errors that end a
//! stream or do not.
//!
//! The random tests compare with what slices say, and print their seed. That no byte is looked at twice is tested
//! beside the codecs, where the bytes that were looked at can be overwritten.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod random;
    pub(crate) mod source;
}

use std::cell::Cell;
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use mainspring::codec::{Buffer, Decoder, Delimited, Encoder, Fixed, Framed, LengthDelimited, Nested, Next};

use util::random::Random;
use util::source::{Source, Step};

fn random() -> Random {
    let seed = std::env::var("CODEC_SEED").map_or(0x5eed, |seed| seed.parse().expect("a number"));
    println!("CODEC_SEED={seed}");
    Random::new(seed)
}

/// Items, and errors by their kind, until the end.
type Items<T> = Vec<Result<T, ErrorKind>>;

fn decode<C: Decoder<Error = io::Error>>(codec: C, steps: Vec<Step>) -> Items<C::Item> {
    let mut framed = Framed::new(Source::reading(steps), codec);
    let mut items = Vec::new();
    loop {
        assert!(items.len() < 10_000, "the end never comes");
        match framed.try_next() {
            Ok(Next::Item(item)) => items.push(Ok(item)),
            Ok(Next::NotYet) => {}
            Ok(Next::End) => return items,
            Err(error) => items.push(Err(error.kind())),
        }
    }
}

/// Decodes the bytes whole, byte by byte and in random pieces: always the same, which is returned.
fn decode_split<C>(codec: &C, bytes: &[u8], random: &mut Random) -> Items<C::Item>
where
    C: Decoder<Error = io::Error, Item: PartialEq + Debug> + Clone + Debug,
{
    let whole = decode(codec.clone(), vec![Step::Bytes(bytes.to_vec())]);
    let single = bytes.iter().map(|&byte| Step::Bytes(vec![byte])).collect();
    assert_eq!(decode(codec.clone(), single), whole, "{codec:?} byte by byte: {bytes:?}");
    for _ in 0..3 {
        let (mut steps, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(1 + random.below(rest.len().min(12)));
            steps.push(Step::Bytes(head.to_vec()));
            steps.extend((0..random.below(3)).map(|_| Step::Fail(ErrorKind::WouldBlock)));
            rest = tail;
        }
        let split = steps.clone();
        assert_eq!(decode(codec.clone(), steps), whole, "{codec:?} {split:?}");
    }
    whole
}

fn encoded<T, C: Encoder<T, Error = io::Error>>(codec: &mut C, items: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut output = Vec::new();
    items.into_iter().for_each(|item| codec.encode(item, &mut output).unwrap());
    output
}

fn refused<T, C: Encoder<T, Error = io::Error>>(codec: &mut C, item: T) -> String {
    let mut output = Vec::new();
    let error = codec.encode(item, &mut output).unwrap_err();
    assert_eq!((error.kind(), output.len()), (ErrorKind::InvalidInput, 0));
    error.to_string()
}

fn bytes(random: &mut Random, alphabet: &[u8], length: usize) -> Vec<u8> {
    (0..length).map(|_| alphabet[random.below(alphabet.len())]).collect()
}

// LengthDelimited.

/// The shape of a header, at random, and what the codec is told of it.
#[derive(Clone, Debug)]
struct Shape {
    width: usize,
    is_little: bool,
    offset: usize,
    /// Bytes of header behind the field.
    behind: usize,
    /// Whether the field counts the whole frame, or what is behind the header.
    counts_all: bool,
    strip: Option<usize>,
}

impl Shape {
    fn at_random(random: &mut Random) -> Self {
        let (width, offset, behind) = (1 + random.below(8), random.below(4), random.below(4));
        let header = offset + width + behind;
        let strip = (random.below(2) == 0).then(|| random.below(header + 1));
        Self { width, is_little: random.below(2) == 0, offset, behind, counts_all: random.below(2) == 0, strip }
    }

    fn codec(&self) -> LengthDelimited {
        let adjustment = match self.counts_all {
            true => -((self.offset + self.width) as i64),
            false => self.behind as i64,
        };
        let mut codec = LengthDelimited::new().width(self.width).offset(self.offset).adjustment(adjustment);
        if self.is_little {
            codec = codec.little_endian();
        }
        match self.strip {
            Some(strip) => codec.strip(strip),
            None => codec,
        }
    }

    /// A whole frame, said with nothing but slices.
    fn frame(&self, payload: &[u8], random: &mut Random) -> Vec<u8> {
        let header = self.offset + self.width + self.behind;
        let value = payload.len() + if self.counts_all { header } else { 0 };
        let mut field: Vec<u8> = (0..self.width).map(|index| (value >> (8 * index).min(63)) as u8).collect();
        if !self.is_little {
            field.reverse();
        }
        let mut frame = bytes(random, &[7, 0, 255], self.offset);
        frame.extend(field);
        frame.extend(bytes(random, &[7, 0, 255], self.behind));
        frame.extend(payload);
        frame
    }
}

#[test]
fn frames_of_every_shape_come_out_however_they_are_split() {
    let mut random = random();
    for _ in 0..600 {
        let shape = Shape::at_random(&mut random);
        let strip = shape.strip.unwrap_or(shape.offset + shape.width);
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..random.below(6) {
            let length = random.below(20);
            let payload = bytes(&mut random, &[0, 1, 255], length);
            let frame = shape.frame(&payload, &mut random);
            expected.push(Ok(frame[strip..].to_vec()));
            stream.extend(frame);
        }
        if random.below(4) == 0 {
            let frame = shape.frame(b"cut off", &mut random);
            stream.extend(&frame[..1 + random.below(frame.len() - 1)]);
            expected.push(Err(ErrorKind::UnexpectedEof));
        }
        assert_eq!(decode_split(&shape.codec(), &stream, &mut random), expected, "{shape:?}");
    }
}

#[test]
fn what_was_encoded_is_decoded_in_every_shape() {
    let mut random = random();
    for _ in 0..600 {
        let shape = Shape::at_random(&mut random);
        let mut codec = shape.codec();
        let kept = (shape.offset + shape.width + shape.behind) - shape.strip.unwrap_or(shape.offset + shape.width);
        let items: Vec<_> = (0..5)
            .map(|_| {
                let length = kept + random.below(20);
                bytes(&mut random, &[0, 1, 255], length)
            })
            .collect();
        let output = encoded(&mut codec, &items);
        let decoded = decode(codec, vec![Step::Bytes(output.clone())]);
        assert_eq!(decoded.len(), items.len(), "{shape:?}");
        for (decoded, item) in decoded.into_iter().zip(&items) {
            let decoded = decoded.unwrap();
            // What is kept of the length field was filled in; what is behind it is as it was.
            let untouched = kept.saturating_sub(shape.behind).min(item.len());
            assert_eq!((&decoded[untouched..], decoded.len()), (&item[untouched..], item.len()), "{shape:?}");
        }
    }
}

#[test]
fn the_defaults_are_four_bytes_big_endian_stripped() {
    let mut codec = LengthDelimited::new();
    assert_eq!(encoded(&mut codec, ["hello", ""]), b"\0\0\0\x05hello\0\0\0\0");
    let decoded = decode(codec, vec![Step::Bytes(b"\0\0\0\x05hello\0\0\0\0".to_vec())]);
    assert_eq!(decoded, [Ok(b"hello".to_vec()), Ok(vec![])]);
}

#[test]
fn a_kept_header_is_filled_in() {
    let mut http2 = LengthDelimited::new().width(3).adjustment(6).strip(0);
    let frame = b"???TFSSSSpayload";
    let output = encoded(&mut http2, [frame]);
    assert_eq!(output, b"\0\0\x07TFSSSSpayload");
    assert_eq!(decode(http2, vec![Step::Bytes(output.clone())]), [Ok(output)]);
}

#[test]
fn a_frame_at_the_limit_is_taken_and_one_beyond_it_ends_the_stream() {
    let codec = LengthDelimited::new().width(1).max_length(10);
    let mut random = random();
    assert_eq!(decode_split(&codec, b"\x09123456789\x00", &mut random), [Ok(b"123456789".to_vec()), Ok(vec![])]);
    assert_eq!(decode_split(&codec, b"\x0a1234567890\x00", &mut random), [Err(ErrorKind::InvalidData)]);
}

#[test]
fn a_declared_length_at_each_end_of_its_field_is_refused_without_overflow() {
    for adjustment in [i64::MIN, -9, -1, 0, 1, i64::MAX] {
        for value in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            for offset in [0, 3] {
                let codec = LengthDelimited::new().width(8).offset(offset).adjustment(adjustment).max_length(100);
                let mut stream = vec![0; offset];
                stream.extend(value.to_be_bytes());
                let length = i128::from(value) + i128::from(adjustment);
                let expected = match length {
                    0 => Ok(vec![]),
                    1..=80 => Err(ErrorKind::UnexpectedEof),
                    _ => Err(ErrorKind::InvalidData),
                };
                assert_eq!(decode(codec, vec![Step::Bytes(stream)]), [expected], "{value} {adjustment} {offset}");
            }
        }
    }
}

#[test]
fn the_error_of_a_declared_length_says_what_was_declared() {
    let mut buffer = Buffer::new();
    buffer.extend(&u64::MAX.to_be_bytes());
    let mut codec = LengthDelimited::new().width(8);
    let error = codec.decode(&mut buffer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a length field says 18446744073709551615: a frame of 18446744073709551623 bytes, \
         which is more than the limit (header 8, limit 1048576)"
    );
    assert!(!codec.recovers());
}

#[test]
fn a_huge_declared_length_takes_no_memory_before_its_bytes_arrive() {
    let codec = LengthDelimited::new().width(8).max_length(usize::MAX);
    let mut stream = (u64::MAX / 4).to_be_bytes().to_vec();
    stream.extend([7; 100]);
    let steps = [Step::Bytes(stream), Step::Fail(ErrorKind::WouldBlock)];
    let mut framed = Framed::new(Source::reading(steps), codec).max_frame(usize::MAX);
    assert_eq!(framed.try_next().unwrap(), Next::NotYet);
    let (_, _, buffer) = framed.into_parts();
    assert_eq!(buffer.len(), 108);
    assert!(buffer.capacity() <= 64 * 1024, "{} bytes are held for 108 that arrived", buffer.capacity());
}

#[test]
fn a_frame_too_short_for_what_is_stripped_is_skipped() {
    let codec = LengthDelimited::new().width(1).strip(4);
    let mut random = random();
    let items = decode_split(&codec, b"\x02ab\x05abcde", &mut random);
    assert_eq!(items, [Err(ErrorKind::InvalidData), Ok(b"de".to_vec())]);
}

#[test]
fn a_frame_that_its_header_cannot_describe_is_not_encoded() {
    let mut codec = LengthDelimited::new().width(1).max_length(300);
    assert!(refused(&mut codec, [0; 256]).contains("a field of 1 bytes cannot hold"));
    assert!(refused(&mut codec, [0; 300]).contains("longer than the limit of 300"));
    assert!(refused(&mut LengthDelimited::new().strip(0), "abc").contains("too short for its length field"));
    let mut uncounted = LengthDelimited::new().adjustment(6);
    assert!(refused(&mut uncounted, "abc").contains("cannot hold"), "a negative length");
    assert_eq!(encoded(&mut codec, [[0; 255]]).len(), 256);
    let whole = &mut LengthDelimited::new().width(8).max_length(usize::MAX);
    assert_eq!(encoded(whole, ["a"]), b"\0\0\0\0\0\0\0\x01a");
}

#[test]
#[should_panic(expected = "a length field has 1 to 8 bytes")]
fn a_length_field_of_nine_bytes_cannot_be_set() {
    let _codec = LengthDelimited::new().width(9);
}

// Delimited.

/// What frames with an end mark are, said with nothing but slices.
fn naive_delimited(mut text: &[u8], mark: &[u8], limit: usize, is_open: bool) -> Items<Vec<u8>> {
    let mut items = Vec::new();
    let item = |frame: &[u8]| if frame.len() > limit { Err(ErrorKind::InvalidData) } else { Ok(frame.to_vec()) };
    while let Some(position) = text.windows(mark.len()).position(|window| window == mark) {
        items.push(item(&text[..position]));
        text = &text[position + mark.len()..];
    }
    // What of the rest may still be the beginning of a mark does not count against the limit.
    let begun = (0..mark.len()).rev().find(|&length| text.ends_with(&mark[..length])).unwrap_or(0);
    match (text.is_empty(), text.len() - begun > limit) {
        (true, _) => {}
        (_, true) => items.push(Err(ErrorKind::InvalidData)),
        _ if is_open => items.push(item(text)),
        _ => items.push(Err(ErrorKind::UnexpectedEof)),
    }
    items
}

#[test]
fn any_delimiter_is_found_however_it_is_split() {
    let mut random = random();
    for _ in 0..2_000 {
        let length = 1 + random.below(5);
        let mark = bytes(&mut random, b"ab", length);
        let length = random.below(60);
        let text = bytes(&mut random, b"aab\xff", length);
        let (limit, is_open) = (random.below(20), random.below(2) == 0);
        let codec = Delimited::by(mark.clone()).max_length(limit).open_end(is_open);
        let expected = naive_delimited(&text, &mark, limit, is_open);
        assert_eq!(decode_split(&codec, &text, &mut random), expected, "{mark:?} {limit} {text:?}");
    }
}

#[test]
fn a_frame_that_is_encoded_is_read_as_the_same_or_refused() {
    let mut random = random();
    let (mut sent, mut refused) = (0, 0);
    for _ in 0..5_000 {
        let length = 1 + random.below(4);
        let mark = bytes(&mut random, b"ab", length);
        let length = random.below(8);
        let frame = bytes(&mut random, b"aabc", length);
        let mut codec = Delimited::by(mark.clone());
        let mut output = Vec::new();
        let whole = [&frame[..], &mark[..]].concat();
        let is_first = whole.windows(mark.len()).position(|window| window == mark) == Some(frame.len());
        match codec.encode(&frame, &mut output) {
            Ok(()) => assert_eq!((decode(codec, vec![Step::Bytes(output)]), is_first), (vec![Ok(frame)], true)),
            Err(error) => assert_eq!((error.kind(), is_first), (ErrorKind::InvalidInput, false), "{mark:?} {frame:?}"),
        }
        sent += usize::from(is_first);
        refused += usize::from(!is_first);
    }
    assert!(sent > 500 && refused > 500, "{sent} were sent, {refused} refused");
}

#[test]
fn a_frame_that_is_too_long_is_reported_once_and_not_stored() {
    let (mut codec, mut buffer) = (Delimited::by("END"), Buffer::new());
    let mut errors = 0;
    for _ in 0..1_000 {
        buffer.extend(&[b'E'; 1024]);
        errors += usize::from(codec.decode(&mut buffer).is_err());
        assert!(buffer.len() <= 65 * 1024, "{} bytes are stored", buffer.len());
    }
    assert_eq!(errors, 1);
    buffer.extend(b"ND");
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    buffer.extend(b"nextEND");
    assert_eq!(codec.decode(&mut buffer).unwrap(), Some(b"next".to_vec()));
    assert!(codec.encode([0; 70_000], &mut Vec::new()).is_err());
}

#[test]
#[should_panic(expected = "an empty delimiter")]
fn an_empty_delimiter_cannot_be_set() {
    let _codec = Delimited::by("");
}

// Fixed.

#[test]
fn fixed_frames_come_out_however_they_are_split() {
    let mut random = random();
    for length in 0..50 {
        let text = bytes(&mut random, b"abc", length);
        let mut expected: Vec<_> = text.chunks_exact(3).map(|chunk| Ok([chunk[0], chunk[1], chunk[2]])).collect();
        if text.len() % 3 > 0 {
            expected.push(Err(ErrorKind::UnexpectedEof));
        }
        assert_eq!(decode_split(&Fixed::<3>::new(), &text, &mut random), expected);
    }
}

#[test]
fn bytes_of_another_length_are_not_encoded_as_fixed_ones() {
    let mut codec = Fixed::<3>::new();
    assert_eq!(encoded(&mut codec, ["abc", "def"]), b"abcdef");
    assert_eq!(refused(&mut codec, "ab"), "a frame of 2 bytes cannot be sent as one of 3");
}

#[test]
fn frames_within_frames_come_out_however_they_are_split_and_a_bad_one_is_stepped_over() {
    let mut random = random();
    let mut codec =
        Nested::new(LengthDelimited::new(), Nested::new(LengthDelimited::new().width(2), Fixed::<3>::new()));
    let mut text = encoded(&mut codec, (0..50_u8).map(|byte| [byte; 3]));
    let mut bad = LengthDelimited::new();
    bad.encode(b"\0\x02no", &mut text).unwrap();
    bad.encode(b"\0\x03two\0\x03two", &mut text).unwrap();
    bad.encode(b"", &mut text).unwrap();
    text.extend(encoded(&mut codec, [*b"end"]));
    let whole = decode(codec.clone(), vec![Step::Bytes(text.clone())]);
    assert_eq!((whole.len(), &whole[53]), (54, &Ok(*b"end")));
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData, io::ErrorKind::InvalidData];
    assert_eq!(whole[50..53], kinds.map(Err), "too short, more than one, none");
    for _ in 0..50 {
        assert_eq!(decode_split(&codec, &text, &mut random), whole);
    }
}

#[test]
fn what_an_inner_codec_remembers_of_a_bad_frame_does_not_spoil_the_next() {
    let mut framing = LengthDelimited::new();
    let mut text = Vec::new();
    // The inner length says nine, and two are there.
    framing.encode(b"\0\x09no", &mut text).unwrap();
    framing.encode(b"\0\x03yes", &mut text).unwrap();
    let codec = Nested::new(LengthDelimited::new(), LengthDelimited::new().width(2));
    let items = decode(codec, vec![Step::Bytes(text)]);
    assert_eq!(items, [Err(io::ErrorKind::UnexpectedEof), Ok(b"yes".to_vec())]);
}

/// Writes nothing, and counts what it is told.
#[derive(Default)]
struct Told(Rc<Cell<usize>>);

impl<Item> Encoder<Item> for Told {
    type Error = io::Error;

    fn encode(&mut self, _: Item, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn before_last(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn both_of_two_codecs_hear_which_item_is_the_last() {
    let (outer, inner) = (Told::default(), Told::default());
    let counts = [outer.0.clone(), inner.0.clone()];
    Encoder::<u8>::before_last(&mut Nested::new(outer, inner));
    assert_eq!(counts.map(|count| count.get()), [1, 1]);
}
