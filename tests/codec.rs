//! Lines and `Framed`: the same items however the bytes arrive, bounded memory, nothing lost on the way out.
//!
//! Everything runs on sources that follow a script, in the tick style, where "not yet" parks nobody. The
//! random tests print their seed.
#![cfg(feature = "service")]
#[allow(dead_code)]
mod util {
    pub(crate) mod random;
    pub(crate) mod source;
}

use std::io::{self, ErrorKind};

use mainspring::codec::{Buffer, Decoder, Encoder, Framed, Lines, Next};

use util::random::Random;
use util::source::{Source, Step};

/// Frames of two bytes. Those of 0xff are malformed; `recovers` and `takes` say what becomes of them.
#[derive(Default)]
struct Pairs {
    recovers: bool,
    takes: bool,
}

impl Decoder for Pairs {
    type Item = [u8; 2];
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<[u8; 2]>> {
        let Some(&pair) = buffer.as_slice().first_chunk() else {
            return Ok(None);
        };
        if pair != [0xff; 2] || self.takes {
            buffer.consume(2);
        }
        if pair == [0xff; 2] {
            return Err(io::Error::new(ErrorKind::InvalidData, "malformed"));
        }
        Ok(Some(pair))
    }

    fn recovers(&self) -> bool {
        self.recovers
    }
}

/// Fails in the middle of the work if the item is odd.
impl Encoder<u8> for Pairs {
    type Error = io::Error;

    fn encode(&mut self, item: u8, output: &mut Vec<u8>) -> io::Result<()> {
        output.push(item);
        if item % 2 == 1 {
            return Err(io::Error::new(ErrorKind::InvalidInput, "odd"));
        }
        output.push(item);
        Ok(())
    }
}

fn bytes(bytes: &[u8]) -> Step {
    Step::Bytes(bytes.to_vec())
}

const NOT_YET: Step = Step::Fail(ErrorKind::WouldBlock);

/// All items and errors until the end, "not yet" left out.
fn collect<C: Decoder<Error = io::Error>>(framed: &mut Framed<Source, C>) -> Vec<Result<C::Item, String>> {
    let mut items = Vec::new();
    loop {
        assert!(items.len() < 100_000, "the end never comes");
        match framed.try_next() {
            Ok(Next::Item(item)) => items.push(Ok(item)),
            Ok(Next::NotYet) => {}
            Ok(Next::End) => return items,
            Err(error) => items.push(Err(error.to_string())),
        }
    }
}

fn lines(steps: impl IntoIterator<Item = Step>) -> Vec<Result<String, String>> {
    collect(&mut Framed::new(Source::reading(steps), Lines::new().max_length(10)))
}

/// What lines of at most 10 bytes are, said with std's methods on slices.
fn naive_lines(text: &[u8]) -> Vec<Result<String, String>> {
    let mut pieces: Vec<_> = text.split(|&byte| byte == b'\n').collect();
    if pieces.last().is_some_and(|last| last.is_empty()) {
        pieces.pop();
    }
    let line = |piece: &[u8]| {
        let piece = piece.strip_suffix(b"\r").unwrap_or(piece);
        if piece.len() > 10 {
            return Err("a line is longer than the limit of 10 bytes".to_owned());
        }
        String::from_utf8(piece.to_vec())
            .map_err(|error| format!("a line is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
    };
    pieces.into_iter().map(line).collect()
}

#[test]
fn any_split_of_the_bytes_gives_the_same_items() {
    let seed = std::env::var("CODEC_SEED").map_or(0x5eed, |seed| seed.parse().expect("a number"));
    println!("CODEC_SEED={seed}");
    let mut random = Random::new(seed);
    for _ in 0..3_000 {
        let text: Vec<u8> = (0..random.below(60)).map(|_| b"abc\xffd\re\n\n\r"[random.below(10)]).collect();
        let mut steps = Vec::new();
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(1 + random.below(rest.len().min(15)));
            steps.push(bytes(head));
            steps.extend((0..random.below(3)).map(|_| NOT_YET));
            rest = tail;
        }
        assert_eq!(lines(steps), naive_lines(&text), "{:?}", text.escape_ascii().to_string());
        assert_eq!(lines(text.iter().map(|&byte| bytes(&[byte]))), naive_lines(&text), "byte by byte");
    }
}

#[test]
fn a_long_stream_keeps_its_bytes_while_the_buffer_moves() {
    let seed = std::env::var("CODEC_SEED").map_or(0x5eed, |seed| seed.parse().expect("a number"));
    println!("CODEC_SEED={seed}");
    let mut random = Random::new(seed);
    let expected: Vec<_> = (0..20_000).map(|number| Ok(number.to_string())).collect();
    let text: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    let mut steps = Vec::new();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(1 + random.below(rest.len().min(9_000)));
        steps.push(bytes(head));
        rest = tail;
    }
    assert_eq!(lines(steps), expected);
}

#[test]
fn lines_echo_as_they_came_and_the_last_needs_no_newline() {
    let steps = [bytes(b"a\n"), NOT_YET, bytes(b"\n"), bytes(b"b")];
    let mut framed = Framed::new(Source::reading(steps), Lines::new());
    for line in collect(&mut framed) {
        framed.try_send(line.unwrap()).unwrap().unwrap();
    }
    assert_eq!(framed.try_flush().unwrap(), Some(()));
    assert_eq!(framed.io().written, b"a\n\nb\n");
}

#[test]
fn a_line_that_dribbles_in_is_searched_once() {
    let (mut codec, mut buffer) = (Lines::new(), Buffer::new());
    for count in 1..100 {
        buffer.extend(b"x");
        assert_eq!(codec.decode(&mut buffer).unwrap(), None);
        assert_eq!(buffer.scanned(), count);
    }
    buffer.extend(b"\nab");
    assert!(codec.decode(&mut buffer).unwrap().is_some());
    assert_eq!(buffer.scanned(), 0, "what lies behind the line was not searched");
}

#[test]
fn a_line_that_is_too_long_is_reported_once_and_not_stored() {
    let (mut codec, mut buffer) = (Lines::new(), Buffer::new());
    let mut errors = 0;
    for _ in 0..1_000 {
        buffer.extend(&[b'x'; 1024]);
        errors += usize::from(codec.decode(&mut buffer).is_err());
        assert!(buffer.len() <= 64 * 1024, "{} bytes are stored", buffer.len());
    }
    assert_eq!(errors, 1);
    buffer.extend(b"\nnext\n");
    assert_eq!(codec.decode(&mut buffer).unwrap().as_deref(), Some("next"));
}

#[test]
fn a_frame_that_has_no_end_is_refused_at_the_limit() {
    let mut framed = Framed::new(Source::reading([bytes(&[b'x'; 200_000])]), Lines::new().max_length(usize::MAX));
    framed = framed.max_frame(10_000);
    assert_eq!(framed.try_next().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(framed.try_next().unwrap(), Next::End);
    assert!(framed.io().taken <= 10_000 + 64 * 1024, "{} bytes were read", framed.io().taken);
}

#[test]
fn an_end_inside_a_frame_is_an_error_and_then_the_end() {
    let mut framed = Framed::new(Source::reading([bytes(b"abc")]), Pairs::default());
    assert_eq!(framed.try_next().unwrap(), Next::Item(*b"ab"));
    let error = framed.try_next().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), "the stream ended inside a frame, after 1 bytes of it");
    assert_eq!(framed.try_next().unwrap(), Next::End);
}

#[test]
fn a_source_that_has_ended_is_not_read_again() {
    let mut framed = Framed::new(Source::default(), Lines::new());
    for _ in 0..5 {
        assert_eq!(framed.try_next().unwrap(), Next::End);
    }
    assert_eq!(framed.io().ends, 1);
}

#[test]
fn an_error_of_the_decoder_is_followed_by_the_end() {
    let mut framed = Framed::new(Source::reading([bytes(b"\xff\xffab")]), Pairs { recovers: false, takes: true });
    assert_eq!(collect(&mut framed), [Err("malformed".to_owned())]);
}

#[test]
fn a_decoder_that_recovers_goes_on_after_its_error() {
    let mut framed = Framed::new(Source::reading([bytes(b"\xff\xffab")]), Pairs { recovers: true, takes: true });
    assert_eq!(collect(&mut framed), [Err("malformed".to_owned()), Ok(*b"ab")]);
}

#[test]
fn an_error_that_takes_no_bytes_is_final_whatever_the_decoder_says() {
    let mut framed = Framed::new(Source::reading([bytes(b"\xff\xffab")]), Pairs { recovers: true, takes: false });
    assert_eq!(collect(&mut framed), [Err("malformed".to_owned())]);
}

#[test]
fn a_signal_interrupts_no_read_and_no_write() {
    let mut framed = Framed::new(Source::reading([Step::Fail(ErrorKind::Interrupted), bytes(b"a\n")]), Lines::new());
    framed.io_mut().writes.push_back(Step::Fail(ErrorKind::Interrupted));
    assert_eq!(framed.try_next().unwrap(), Next::Item("a".to_owned()));
    framed.try_send("b").unwrap().unwrap();
    assert_eq!(framed.try_flush().unwrap(), Some(()));
    assert_eq!(framed.io().written, b"b\n");
}

#[test]
fn a_source_that_fails_ends_both_directions() {
    let steps = [Step::Fail(ErrorKind::ConnectionReset), bytes(b"a\n")];
    let mut framed = Framed::new(Source::reading(steps), Lines::new());
    framed.try_send("a").unwrap().unwrap();
    assert_eq!(framed.try_next().unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(framed.try_next().unwrap(), Next::End);
    assert_eq!(framed.try_flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_deadline_of_the_source_ends_no_direction() {
    let mut framed = Framed::new(Source::reading([Step::Fail(ErrorKind::TimedOut), bytes(b"a\n")]), Lines::new());
    framed.io_mut().writes.push_back(Step::Fail(ErrorKind::TimedOut));
    framed.try_send("b").unwrap().unwrap();
    assert_eq!(framed.try_next().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(framed.try_next().unwrap(), Next::Item("a".to_owned()));
    assert_eq!(framed.try_flush().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(framed.try_flush().unwrap(), Some(()));
    assert_eq!(framed.io().written, b"b\n");
}

#[test]
fn a_read_after_a_failed_write_still_gives_what_has_arrived() {
    let mut framed = Framed::new(Source::reading([bytes(b"a\n")]), Lines::new());
    framed.io_mut().writes.push_back(Step::Fail(ErrorKind::BrokenPipe));
    framed.try_send("b").unwrap().unwrap();
    assert!(framed.try_flush().is_err());
    assert!(framed.try_ready().is_ok(), "there is room, and nothing was asked of the source");
    assert!(framed.try_flush().is_err(), "the failure stays");
    assert_eq!(framed.try_next().unwrap(), Next::Item("a".to_owned()));
}

#[test]
fn a_write_that_takes_nothing_is_an_error() {
    let mut framed = Framed::new(Source::writing([Step::Take(0)]), Lines::new());
    framed.try_send("abc").unwrap().unwrap();
    let error = framed.try_flush().unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("4 bytes")), (ErrorKind::WriteZero, true));
}

#[test]
fn an_encoding_that_fails_leaves_no_bytes_behind() {
    let mut framed = Framed::new(Source::default(), Pairs::default());
    framed.try_send(2).unwrap().unwrap();
    assert!(framed.try_send(3).is_err());
    framed.try_send(4).unwrap().unwrap();
    framed.try_flush().unwrap();
    assert_eq!(framed.io().written, [2, 2, 4, 4]);
}

#[test]
fn text_that_would_be_read_as_another_line_is_not_encoded() {
    let (mut codec, mut output) = (Lines::new().max_length(3), Vec::new());
    for text in ["a\nb", "a\r", "four"] {
        assert_eq!(codec.encode(text, &mut output).unwrap_err().kind(), ErrorKind::InvalidInput, "{text:?}");
    }
    codec.encode("a\rb", &mut output).unwrap();
    assert_eq!(output, b"a\rb\n");
}

#[test]
fn above_the_high_watermark_there_is_no_room_until_the_low_one() {
    let writes = [NOT_YET, Step::Take(5), NOT_YET, Step::Take(1), NOT_YET];
    let mut framed = Framed::new(Source::writing(writes), Pairs::default()).watermarks(4, 10);
    for item in [2, 4, 6, 8, 10] {
        framed.try_send(item).unwrap().unwrap();
    }
    assert_eq!(framed.try_send(12).unwrap(), Err(12), "10 bytes wait, and nothing can be written");
    assert_eq!(framed.try_send(12).unwrap(), Err(12), "5 bytes wait, the mark is 4");
    assert_eq!(framed.try_send(12).unwrap(), Ok(()), "4 bytes wait");
    assert_eq!(framed.unwritten(), 6);
    assert_eq!(framed.try_flush().unwrap(), None);
    assert_eq!(framed.try_flush().unwrap(), Some(()));
    assert_eq!(framed.io().written, [2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12]);
}

#[test]
fn short_writes_lose_and_repeat_nothing() {
    let seed = std::env::var("CODEC_SEED").map_or(0x5eed, |seed| seed.parse().expect("a number"));
    println!("CODEC_SEED={seed}");
    let mut random = Random::new(seed);
    let mut framed = Framed::new(Source::default(), Lines::new()).watermarks(50, 200);
    let mut expected = Vec::new();
    for number in 0..20_000_u32 {
        let step = if random.below(3) == 0 { NOT_YET } else { Step::Take(1 + random.below(20)) };
        framed.io_mut().writes.push_back(step);
        let line = number.to_string();
        if framed.try_send(&line).unwrap().is_ok() {
            expected.extend_from_slice(line.as_bytes());
            expected.push(b'\n');
        }
        if random.below(4) == 0 {
            framed.try_flush().unwrap();
        }
        assert!(framed.unwritten() <= 200 + 6, "{} bytes wait", framed.unwritten());
    }
    while framed.try_flush().unwrap().is_none() {}
    assert_eq!(framed.io().written, expected);
}

#[test]
#[should_panic(expected = "without asking for room")]
fn sending_without_asking_for_room_panics_at_once() {
    let mut framed = Framed::new(Source::default(), Lines::new());
    framed.try_send("a").unwrap().unwrap();
    framed.start_send("b").unwrap();
}

#[test]
fn an_idle_connection_gives_a_large_buffer_back() {
    let mut line = vec![b'x'; 60_000];
    line.push(b'\n');
    let mut framed = Framed::new(Source::reading([bytes(&line), NOT_YET]), Lines::new());
    assert!(matches!(framed.try_next().unwrap(), Next::Item(_)));
    assert_eq!(framed.try_next().unwrap(), Next::NotYet);
    let (_, _, buffer) = framed.into_parts();
    assert!(buffer.capacity() <= 8 * 1024, "{} bytes are kept", buffer.capacity());
}

#[test]
fn the_first_byte_of_a_frame_costs_one_small_read_of_memory() {
    let mut framed = Framed::new(Source::reading([bytes(b"a"), NOT_YET]), Lines::new().max_length(usize::MAX));
    framed = framed.max_frame(usize::MAX);
    assert_eq!(framed.try_next().unwrap(), Next::NotYet);
    let (_, _, buffer) = framed.into_parts();
    assert!(buffer.capacity() <= 8 * 1024, "{} bytes are held for one that arrived", buffer.capacity());
}

#[test]
fn the_writing_side_closes_after_everything_is_written() {
    let mut framed = Framed::new(Source::writing([NOT_YET]), Lines::new());
    framed.io_mut().shutdowns.push_back(NOT_YET);
    framed.try_send("a").unwrap().unwrap();
    assert_eq!(framed.try_shutdown().unwrap(), None, "not written");
    assert_eq!((framed.io().closed, framed.io().written.len()), (0, 0));
    assert_eq!(framed.try_shutdown().unwrap(), None, "written, not closed");
    assert_eq!(framed.try_shutdown().unwrap(), Some(()));
    assert_eq!((framed.io().closed, &framed.io().written[..]), (1, &b"a\n"[..]));
}

#[test]
fn a_peer_that_is_gone_is_no_error_of_closing() {
    let mut framed = Framed::new(Source::default(), Lines::new());
    framed.io_mut().shutdowns.push_back(Step::Fail(ErrorKind::NotConnected));
    assert_eq!(framed.try_shutdown().unwrap(), Some(()));
}

#[test]
fn buffered_items_come_without_touching_the_source() {
    let mut framed = Framed::new(Source::reading([bytes(b"a\nb\nc"), bytes(b"\n")]), Lines::new());
    assert_eq!(framed.try_next().unwrap(), Next::Item("a".to_owned()));
    assert_eq!(framed.next_buffered().unwrap().as_deref(), Some("b"));
    assert_eq!(framed.next_buffered().unwrap(), None, "the frame has no end");
    assert_eq!(framed.next_buffered().unwrap(), None, "and is not taken for the last");
    assert_eq!((framed.io().taken, framed.received()), (5, &b"c"[..]));
    assert_eq!(framed.try_next().unwrap(), Next::Item("c".to_owned()));
}

#[test]
fn the_async_style_reads_and_writes_the_same() {
    futures::executor::block_on(async {
        let mut framed = Framed::new(Source::reading([bytes(b"a\nb")]), Lines::new());
        while let Some(line) = framed.next().await {
            framed.send(line.unwrap()).await.unwrap();
        }
        framed.shutdown().await.unwrap();
        assert_eq!((framed.io().closed, &framed.io().written[..]), (1, &b"a\nb\n"[..]));
    });
}
