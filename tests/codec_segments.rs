//! What is written: small bytes together, large ones as they were given, all of them in one vectored write.
#![cfg(feature = "service")]

mod util;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use mainspring::codec::{Encoder, Framed, LengthDelimited, Payload, Segments};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::spawn;

use util::heap::Heap;
use util::random::Random;

#[global_allocator]
static HEAP: Heap = Heap;

/// Takes as much of a vectored write as the script says, then all.
#[derive(Default)]
struct Sink {
    takes: VecDeque<usize>,
    written: Vec<u8>,
    /// How many slices each write had.
    writes: Vec<usize>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        let count = self.takes.pop_front().unwrap_or(usize::MAX).min(length);
        let all = slices.iter().flat_map(|slice| slice.iter().copied());
        self.written.extend(all.take(count));
        self.writes.push(slices.len());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A header of its own and a part that is handed over; fails behind both if told so.
struct Parts;

impl Encoder<(usize, usize, bool)> for Parts {
    type Error = io::Error;

    fn encode(&mut self, _: (usize, usize, bool), _: &mut Vec<u8>) -> io::Result<()> {
        unreachable!("`Framed` asks for segments")
    }

    fn encode_segments(&mut self, item: (usize, usize, bool), output: &mut Segments) -> io::Result<()> {
        let (head, body, fails) = item;
        output.tail().extend((0..head).map(|index| index as u8));
        output.push((0..body).map(|index| (index >> 4) as u8).collect::<Vec<_>>());
        output.tail().push(b'.');
        if fails { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(()) }
    }
}

#[test]
fn headers_and_payloads_leave_in_one_vectored_write() {
    let mut framed = Framed::new(Sink::default(), LengthDelimited::new()).watermarks(0, usize::MAX);
    for length in [10, 20, 5_000, 30, 100_000] {
        assert_eq!(framed.try_send(Payload::from(vec![length as u8; length])).unwrap(), Ok(()));
    }
    assert_eq!(framed.try_flush().unwrap(), Some(()));
    assert_eq!(
        framed.io().writes,
        [4],
        "the small ones with a header, a payload, the next ones with a header, a payload"
    );
    assert_eq!(framed.io().written.len(), 10 + 20 + 5_000 + 30 + 100_000 + 5 * 4);
    // Small ones alone are a plain write of one slice, as many as they are.
    for length in 0..100 {
        framed.try_send(Payload::from(vec![0; length])).unwrap().unwrap();
    }
    assert_eq!(framed.try_flush().unwrap(), Some(()));
    assert_eq!(framed.io().writes, [4, 1]);
}

#[test]
fn a_payload_is_written_from_where_it_is() {
    const LENGTH: usize = 1 << 20;
    let mut framed = Framed::new(io::sink(), LengthDelimited::new().max_length(2 * LENGTH));
    let payload = vec![7; LENGTH];
    let ((), peak) = Heap::peak_of(|| {
        framed.try_send(Payload::from(payload)).unwrap().unwrap();
        framed.try_flush().unwrap().unwrap();
    });
    assert!(peak < 4096, "{peak} bytes more than the payload");
    assert_eq!(framed.unwritten(), 0);
}

#[test]
fn a_payload_is_the_same_on_the_wire_as_its_bytes_in_every_shape() {
    let shapes = [
        LengthDelimited::new(),
        LengthDelimited::new().width(2).little_endian(),
        LengthDelimited::new().offset(1).adjustment(-4).strip(0),
        LengthDelimited::new().width(3).adjustment(6).strip(0),
        LengthDelimited::new().strip(9),
    ];
    for shape in shapes {
        for length in [10, 4_095, 4_096, 60_000] {
            let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut expected = Vec::new();
            shape.clone().encode(&bytes, &mut expected).unwrap();
            let mut framed = Framed::new(Sink::default(), shape.clone());
            framed.try_send(Payload::from(bytes)).unwrap().unwrap();
            framed.try_flush().unwrap().unwrap();
            assert_eq!(framed.io().written, expected, "{shape:?}, {length} bytes");
        }
    }
}

#[test]
fn short_writes_at_random_and_encodings_that_fail_leave_the_bytes_of_the_others() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let takes = (0..200).map(|_| 1 + random.below(9_000)).collect();
        let mut framed = Framed::new(Sink { takes, ..Sink::default() }, Parts).watermarks(20_000, 40_000);
        let mut expected = Vec::new();
        for _ in 0..40 {
            let item =
                (random.below(3) * random.below(40), random.below(4) * random.below(4_000), random.below(3) == 0);
            while framed.try_ready().unwrap().is_none() {}
            let before = framed.unwritten();
            let sent = framed.start_send(item);
            assert_eq!(sent.is_err(), item.2);
            if sent.is_ok() {
                let mut one = Segments::new();
                Parts.encode_segments(item, &mut one).unwrap();
                assert_eq!(framed.unwritten(), before + one.len(), "seed {seed}");
                expected.extend((0..item.0).map(|index| index as u8));
                expected.extend((0..item.1).map(|index| (index >> 4) as u8));
                expected.push(b'.');
            } else {
                assert_eq!(framed.unwritten(), before, "seed {seed}");
            }
            if random.below(4) == 0 {
                framed.try_flush().unwrap();
            }
        }
        framed.try_flush().unwrap().unwrap();
        assert!(
            framed.io().written == expected,
            "seed {seed}: {} bytes, not {}",
            framed.io().written.len(),
            expected.len()
        );
    }
}

#[test]
fn more_segments_than_one_write_takes_leave_in_several() {
    let mut output = Framed::new(Sink::default(), LengthDelimited::new()).watermarks(0, usize::MAX);
    for _ in 0..100 {
        output.try_send(Payload(Cow::Borrowed(&[1; 4_096]))).unwrap().unwrap();
    }
    output.try_flush().unwrap().unwrap();
    assert_eq!(output.io().writes.iter().sum::<usize>(), 200);
    assert_eq!(output.io().writes, [64, 64, 64, 8]);
}

#[test]
fn large_payloads_cross_a_socket_whole() {
    mainspring::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let codec = || LengthDelimited::new().max_length(4 << 20);
        let receiver = spawn(async move {
            let mut framed = Framed::new(peer, codec()).max_frame(4 << 20);
            let mut received = Vec::new();
            while let Some(item) = framed.next().await {
                received.push(item.unwrap());
            }
            received
        });
        let payloads: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; 100 + usize::from(n) * 400_000]).collect();
        let mut framed = Framed::new(stream, codec());
        for payload in payloads.clone() {
            framed.ready().await.unwrap();
            framed.start_send(Payload::from(payload)).unwrap();
        }
        framed.shutdown().await.unwrap();
        assert!(receiver.await.unwrap() == payloads);
    })
    .unwrap();
}
