//! What a peer can make a codec do: how much memory a length that it declares takes, and how much work bytes that come
//! one by one are.
#![cfg(feature = "service")]

mod util;

use std::io::{self, Read};

use mainspring::codec::{Buffer, Decoder, Delimited, Framed, LengthDelimited, Lines, Nested, Next};

use util::heap::Heap;

#[global_allocator]
static HEAP: Heap = Heap;

/// What may be allocated on the word of a peer.
const MEMORY: isize = 64 * 1024;

/// A peer that sends these bytes and then nothing.
struct Silent<'a>(&'a [u8]);

impl Read for Silent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_huge_length_that_is_declared_takes_64_kib_at_most() {
    let wide = LengthDelimited::new().width(8).max_length(usize::MAX);
    let rows: [(&str, LengthDelimited, &[u8]); 4] = [
        ("within the default limit", LengthDelimited::new(), b"\x00\x0f\xff\xf0 and some bytes"),
        ("a tebibyte, with no limit", wide.clone(), b"\x00\x00\x01\x00\x00\x00\x00\x00 and some bytes"),
        ("2^63 - 9, with no limit", wide.clone(), b"\x7f\xff\xff\xff\xff\xff\xff\xf6 and some bytes"),
        ("more than there can be", wide, b"\xff\xff\xff\xff\xff\xff\xff\xff and some bytes"),
    ];
    for (what, codec, bytes) in rows {
        let (_, peak) = Heap::peak_of(|| {
            let mut framed = Framed::new(Silent(bytes), codec.clone()).max_frame(usize::MAX);
            assert!(!matches!(framed.try_next(), Ok(Next::Item(_))), "{what}");
        });
        assert!(peak <= MEMORY, "{what}: {peak} bytes");
        // Within another framing as well.
        let (_, peak) = Heap::peak_of(|| {
            let frame = [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
            let nested = Nested::new(LengthDelimited::new(), codec);
            assert!(!matches!(Framed::new(Silent(&frame), nested).try_next(), Ok(Next::Item(_))), "{what}");
        });
        assert!(peak <= MEMORY, "{what}, nested: {peak} bytes");
    }
}

/// How many bytes a codec that begins where it has left off looks at while `bytes` arrive so many at a time. That the
/// codecs look at no others is what their own tests see, which overwrite what has been looked at.
fn looked_at<C: Decoder<Error = io::Error>>(mut codec: C, bytes: &[u8], at_a_time: usize) -> usize {
    let (mut buffer, mut count, mut items) = (Buffer::new(), 0, 0);
    for part in bytes.chunks(at_a_time) {
        buffer.extend(part);
        loop {
            let (length, scanned) = (buffer.len(), buffer.scanned());
            let item = codec.decode(&mut buffer).unwrap();
            count += if item.is_some() { length - buffer.len() - scanned } else { length - scanned };
            items += usize::from(item.is_some());
            if item.is_none() {
                break;
            }
        }
    }
    assert_eq!(items, 4);
    count
}

#[test]
fn bytes_that_come_one_by_one_are_at_most_twice_the_work_of_all_at_once() {
    let line = ["x".repeat(16_000), "\n".into()].concat().repeat(4);
    let marked = ["x".repeat(16_000), "\r\n".into()].concat().repeat(4);
    for (what, codec, bytes) in [("lines", None, line), ("delimited", Some(Delimited::by(b"\r\n")), marked)] {
        let length = bytes.len();
        let of = |at_a_time| match &codec {
            None => looked_at(Lines::new(), bytes.as_bytes(), at_a_time),
            Some(delimited) => looked_at(delimited.clone(), bytes.as_bytes(), at_a_time),
        };
        let (whole, dribbled) = (of(length), of(1));
        println!("{what}: {whole} bytes of {length} at once, {dribbled} one by one");
        assert!(whole >= length, "{what}: {whole} of {length}");
        assert!(dribbled <= 2 * whole, "{what}: {dribbled}, and {whole} at once");
    }
}
