//! std I/O over sockets: `ready`, and the functions of `mainspring::io` beside those of std, which lose or repeat
//! bytes.
//!
//! Every test runs on a reactor of its own, which checks that no wait is left behind.
mod util {
    pub(crate) mod checked;
    pub(crate) mod connection;
    pub(crate) mod counting;
    pub(crate) mod handshake;
    pub(crate) mod never;
    pub(crate) mod trickle;
}

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::{self as std_io, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use mainspring::io::{self, Attempt};
use mainspring::time::Clock;
use mainspring::{Reactor, Stats, ready, ready_if, spawn};

use util::checked::checked;
use util::connection::{connection, narrow_connection, pattern};
use util::counting::Counting;
use util::handshake::Handshake;
use util::never::Never;
use util::trickle::Trickle;

/// More than the smallest socket buffers hold.
const LONG: usize = 1 << 20;

/// Reads to the end-of-file.
async fn read_to_end(reader: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match io::read(reader, &mut buffer).await.unwrap() {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn waits() -> usize {
    Stats::current().unwrap().waits
}

#[test]
fn outside_a_scope_std_io_fails_at_once_and_names_ready() {
    checked(async {
        let (mut stream, _peer) = connection().await;
        let read = Read::read(&mut stream, &mut [0; 8]).unwrap_err();
        let write = Write::write(&mut stream, b"x").unwrap_err();
        let read_ref = Read::read(&mut &stream, &mut [0; 8]).unwrap_err();
        let write_ref = Write::write(&mut &stream, b"x").unwrap_err();
        for error in [read, write, read_ref, write_ref] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("ready"), "{error}");
        }
    });
}

#[test]
fn a_not_yet_that_nobody_recorded_is_an_error_and_never_parks() {
    checked(async {
        assert!(ready(|| Never.read(&mut [0])).await.is_err());
        assert!(ready(|| Never.flush()).await.is_err());
        let mut buffered = BufReader::new(Never);
        let errors = [
            io::read(&mut Never, &mut [0]).await.unwrap_err(),
            io::read_exact(&mut Never, &mut [0]).await.unwrap_err(),
            io::read_line(&mut buffered, &mut String::new(), 8).await.unwrap_err(),
            io::write(&mut Never, b"x").await.unwrap_err(),
            io::write_all(&mut Never, b"x").await.unwrap_err(),
            io::flush(&mut Never).await.unwrap_err(),
            io::copy(&mut Never, &mut Vec::new()).await.unwrap_err(),
            io::copy(&mut &b"x"[..], &mut Never).await.unwrap_err(),
            io::resume(|| Ok(Attempt::<(), ()>::NotYet(())), |()| unreachable!()).await.unwrap_err(),
        ];
        for error in errors {
            assert_ne!(error.kind(), ErrorKind::WouldBlock);
            assert!(error.to_string().contains("wait for nothing"), "{error}");
        }
    });
}

#[test]
fn stds_read_exact_loses_bytes_inside_ready_and_ours_does_not() {
    checked(async {
        let mut reader = Trickle::of(b"hello").await;
        let mut buffer = [0; 5];
        let lost = ready(|| Read::read_exact(&mut reader, &mut buffer)).await;
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::UnexpectedEof, "all five bytes came, and were forgotten");

        let mut reader = Trickle::of(b"hello").await;
        io::read_exact(&mut reader, &mut buffer).await.unwrap();
        assert_eq!(&buffer, b"hello");
    });
}

#[test]
fn stds_read_line_loses_characters_inside_ready_and_ours_does_not() {
    checked(async {
        let mut reader = BufReader::new(Trickle::of("é\n".as_bytes()).await);
        let mut line = String::new();
        ready(|| BufRead::read_line(&mut reader, &mut line)).await.unwrap();
        assert_eq!(line, "\n", "both halves of the character came, and were forgotten one after the other");

        let mut reader = BufReader::new(Trickle::of("é\n𝄞 last".as_bytes()).await);
        let mut line = String::new();
        assert_eq!(io::read_line(&mut reader, &mut line, 64).await.unwrap(), 3);
        assert_eq!(io::read_line(&mut reader, &mut line, 64).await.unwrap(), 9);
        assert_eq!(line, "é\n𝄞 last");
        assert_eq!(io::read_line(&mut reader, &mut line, 64).await.unwrap(), 0);
    });
}

#[test]
fn stds_write_all_repeats_bytes_inside_ready_and_ours_does_not() {
    checked(async {
        let sent = pattern(LONG);
        let (mut writer, mut reader) = narrow_connection().await;
        let mut received = vec![0; LONG];
        // std's would never end: the peer takes as many bytes as there are, and then hangs up.
        let repeating = ready(|| Write::write_all(&mut writer, &sent));
        let reading = async {
            io::read_exact(&mut reader, &mut received).await.unwrap();
            drop(reader);
        };
        let (result, ()) = futures::join!(repeating, reading);
        assert!(result.is_err());
        let repeated = received.windows(8).skip(1).any(|window| window == &sent[..8]);
        assert!(repeated, "the start of the message came again");

        let (mut writer, mut reader) = narrow_connection().await;
        let writing = async {
            io::write_all(&mut writer, &sent).await.unwrap();
            drop(writer);
        };
        let ((), received) = futures::join!(writing, read_to_end(&mut reader));
        assert!(received == sent);
    });
}

#[test]
fn stds_copy_loses_bytes_inside_ready_and_ours_does_not() {
    checked(async {
        let sent = pattern(LONG);
        for ours in [false, true] {
            let (source, mut from) = connection().await;
            let (mut to, mut sink) = narrow_connection().await;
            let sending = async {
                source.write_all(&sent).await.unwrap();
                drop(source);
            };
            let copying = async {
                let copied = match ours {
                    true => io::copy(&mut from, &mut to).await.unwrap(),
                    false => ready(|| std_io::copy(&mut from, &mut to)).await.unwrap(),
                };
                drop(to);
                copied
            };
            let ((), copied, received) = futures::join!(sending, copying, read_to_end(&mut sink));
            if ours {
                assert!(received == sent);
                assert_eq!(copied, LONG as u64);
            } else {
                assert!(received.len() < LONG, "what was read and could not be written is gone");
            }
        }
    });
}

#[test]
fn copy_flushes_before_it_waits_for_more() {
    checked(async {
        let (client, server) = connection().await;
        let echo = spawn(async move { io::copy(&mut &server, &mut BufWriter::new(&server)).await });
        let mut buffer = [0; 4];
        for _ in 0..100 {
            client.write_all(b"ping").await.unwrap();
            io::read_exact(&mut &client, &mut buffer).await.unwrap();
            assert_eq!(&buffer, b"ping");
        }
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(echo.await.unwrap().unwrap(), 400);
    });
}

#[test]
fn copy_writes_in_parts_and_flushes_once_at_the_end_or_when_it_has_to_wait() {
    #[derive(Default)]
    struct Parts {
        written: Vec<u8>,
        flushes: usize,
    }
    impl Write for Parts {
        fn write(&mut self, buffer: &[u8]) -> std_io::Result<usize> {
            self.written.write(&buffer[..buffer.len().min(1000)])
        }
        fn flush(&mut self) -> std_io::Result<()> {
            self.flushes += 1;
            Ok(())
        }
    }
    checked(async {
        let mut writer = Parts::default();
        assert_eq!(io::copy(&mut std_io::empty(), &mut writer).await.unwrap(), 0);
        assert_eq!(writer.flushes, 0);
        let sent = pattern(100_000);
        assert_eq!(io::copy(&mut &sent[..], &mut writer).await.unwrap(), 100_000);
        assert!(writer.written == sent);
        assert_eq!(writer.flushes, 1);
        assert_eq!(io::copy(&mut Trickle::of(b"foo").await, &mut writer).await.unwrap(), 3);
        assert_eq!(writer.flushes, 4, "after each byte, while the next is waited for");
    });
}

#[test]
fn a_long_copy_in_memory_gives_way_to_other_tasks() {
    checked(async {
        let copying = spawn(async { io::copy(&mut std_io::repeat(7).take(1 << 30), &mut std_io::sink()).await });
        let mut turns = 0;
        while !copying.is_finished() {
            turns += 1;
            mainspring::yield_now().await;
        }
        assert_eq!(copying.await.unwrap().unwrap(), 1 << 30);
        assert!(turns > 100, "{turns} turns beside 65,536 reads and as many writes");
    });
}

#[test]
fn empty_buffers_ask_nobody() {
    checked(async {
        assert_eq!(io::read(&mut Never, &mut []).await.unwrap(), 0);
        assert_eq!(io::write(&mut Never, &[]).await.unwrap(), 0);
        io::read_exact(&mut Never, &mut []).await.unwrap();
        io::write_all(&mut Never, &[]).await.unwrap();
    });
}

#[test]
fn an_end_in_the_middle_says_how_far_it_came() {
    checked(async {
        let mut buffer = [0; 5];
        let error = io::read_exact(&mut Trickle::of(b"foo").await, &mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("3 of 5"), "{error}");
        assert_eq!(&buffer, b"foo\0\0");

        let error = io::write_all(&mut &mut buffer[..], b"too long").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        assert!(error.to_string().contains("5 of 8"), "{error}");
        let error = io::copy(&mut &b"too long"[..], &mut &mut buffer[..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    });
}

#[test]
fn an_interrupted_step_is_tried_again() {
    /// Interrupted more often than one poll has budget for.
    struct Interrupted(usize);
    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> std_io::Result<usize> {
            self.0 += 1;
            if self.0 % 1000 == 0 { (&b"x"[..]).read(buffer) } else { Err(ErrorKind::Interrupted.into()) }
        }
    }
    checked(async {
        let mut buffer = [0; 3];
        let mut reader = Interrupted(0);
        io::read_exact(&mut reader, &mut buffer).await.unwrap();
        assert_eq!((&buffer, reader.0), (b"xxx", 3000));
    });
}

#[test]
fn a_line_may_be_as_long_as_its_limit_and_no_longer() {
    checked(async {
        let mut line = String::from("> ");
        let mut reader = BufReader::with_capacity(3, &b"1234567\n1234567\n123"[..]);
        assert_eq!(io::read_line(&mut reader, &mut line, 8).await.unwrap(), 8);
        assert_eq!(line, "> 1234567\n");
        let error = io::read_line(&mut reader, &mut line, 7).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(line, "> 1234567\n1234567", "what was read is not lost");
        assert_eq!(io::read_line(&mut reader, &mut line, 1).await.unwrap(), 1);
        assert_eq!(io::read_line(&mut reader, &mut line, 3).await.unwrap(), 3);
        assert_eq!(io::read_line(&mut reader, &mut line, 0).await.unwrap(), 0);
        assert_eq!(line, "> 1234567\n1234567\n123");

        let mut reader = &b"ab\xffcd\nnext\n"[..];
        line.clear();
        let error = io::read_line(&mut reader, &mut line, 64).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!((line.as_str(), reader), ("ab", &b"next\n"[..]));
    });
}

#[test]
fn a_line_goes_on_after_a_timeout() {
    let reactor = Reactor::builder().clock(Clock::auto()).build().unwrap();
    let test = async {
        let (client, server) = connection().await;
        client.write_all(b"first half, ").await.unwrap();
        // Before the timeout is set: the clock does not jump while only the kernel is waited for.
        server.peek(&mut [0]).await.unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut server = BufReader::new(server);
        let mut line = String::new();
        let error = io::read_line(&mut server, &mut line, 64).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        client.write_all(b"second half\n").await.unwrap();
        server.get_ref().set_read_timeout(None).unwrap();
        assert_eq!(io::read_line(&mut server, &mut line, 64).await.unwrap(), 12);
        assert_eq!(line, "first half, second half\n");
    };
    reactor.block_on(test).unwrap();
    assert_eq!(reactor.stats().waits, 0);
}

/// Lets the other tasks run until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        mainspring::yield_now().await;
    }
}

/// Lets the reactor look at its clock, and wake whom that concerns.
async fn two_turns() {
    let turns = Stats::current().unwrap().turns + 2;
    until(|| Stats::current().unwrap().turns > turns).await;
}

#[test]
fn a_write_that_overtakes_a_flush_of_copy_ends_its_deadline() {
    let clock = Clock::manual();
    let reactor = Reactor::builder().clock(clock.clone()).build().unwrap();
    let test = async {
        let (source, mut from) = connection().await;
        let (to, mut sink) = narrow_connection().await;
        // A fixed size: the system would let it grow until all that is left fits in.
        sink.set_recv_buffer_size(64 * 1024).unwrap();
        to.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let (blocked_writes, blocked_flushes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut writer = Counting {
            writer: BufWriter::with_capacity(LONG + LONG / 4, to),
            blocked_writes: blocked_writes.clone(),
            blocked_flushes: blocked_flushes.clone(),
        };
        // There is one moment to flush: while the byte in the middle is waited for.
        let sent = pattern(4 * LONG + 1);
        let (first, rest) = sent.split_at(LONG);
        let (middle, last) = rest.split_at(1);
        let copying = async {
            let copied = io::copy(&mut first.chain(&mut from).chain(last), &mut writer).await.unwrap();
            drop(writer);
            copied
        };
        let sending = async {
            until(|| blocked_flushes.get() > 0).await;
            two_turns().await;
            clock.advance(Duration::from_secs(6)).unwrap();
            source.write_all(middle).await.unwrap();
            drop(source);
        };
        let receiving = async {
            let mut received = vec![0; LONG];
            until(|| blocked_writes.get() > 0).await;
            io::read_exact(&mut sink, &mut received).await.unwrap();
            // 12 s since the flush had to wait, 6 s since anything else did.
            clock.advance(Duration::from_secs(6)).unwrap();
            two_turns().await;
            received.extend(read_to_end(&mut sink).await);
            assert!(received == sent);
        };
        let (copied, (), ()) = futures::join!(copying, sending, receiving);
        assert_eq!(copied, sent.len() as u64);
    };
    reactor.block_on(test).unwrap();
    assert_eq!(reactor.stats().waits, 0);
}

#[test]
fn an_echo_server_returns_1024_times_11_bytes_and_ends_with_its_client() {
    checked(async {
        let (client, server) = connection().await;
        let echo = spawn(async move { io::copy(&mut &server, &mut &server).await });
        let mut buffer = [0; 11];
        for _ in 0..1024 {
            io::write_all(&mut &client, b"hello world").await.unwrap();
            io::read_exact(&mut &client, &mut buffer).await.unwrap();
            assert_eq!(&buffer, b"hello world");
        }
        drop(client);
        assert_eq!(echo.await.unwrap().unwrap(), 1024 * 11);
    });
}

#[test]
fn an_echo_through_buffers_of_std_returns_11_kib() {
    checked(async {
        let (client, server) = connection().await;
        let echo = spawn(async move {
            let (mut reader, mut writer) = (BufReader::new(&server), BufWriter::new(&server));
            io::copy(&mut reader, &mut writer).await
        });
        let mut reader = &client;
        let sending = async {
            let mut writer = BufWriter::new(&client);
            for _ in 0..1024 {
                io::write_all(&mut writer, b"hello world").await.unwrap();
            }
            io::flush(&mut writer).await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        };
        let ((), received) = futures::join!(sending, read_to_end(&mut reader));
        assert_eq!(received, b"hello world".repeat(1024));
        assert_eq!(echo.await.unwrap().unwrap(), 1024 * 11);
    });
}

#[test]
fn a_half_closed_connection_still_answers() {
    checked(async {
        let (client, server) = connection().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut &server).await, b"question");
        io::write_all(&mut &server, b"answer").await.unwrap();
        drop(server);
        assert_eq!(read_to_end(&mut &client).await, b"answer");
    });
}

#[test]
fn take_gives_no_more_than_its_limit() {
    checked(async {
        let mut limited = Trickle::of(b"foo bar baz").await.take(4);
        assert_eq!(read_to_end(&mut limited).await, b"foo ");
    });
}

#[test]
fn a_chain_of_three_sockets_reads_foo_bar_baz() {
    checked(async {
        let [foo, bar, baz] = [Trickle::of(b"foo ").await, Trickle::of(b"bar ").await, Trickle::of(b"baz").await];
        assert_eq!(read_to_end(&mut foo.chain(bar).chain(baz)).await, b"foo bar baz");
    });
}

#[test]
fn many_readers_of_std_wait_side_by_side_in_one_task() {
    checked(async {
        let mut reading = FuturesUnordered::new();
        for number in 0..20 {
            let first = Trickle::of(format!("line {number} and").as_bytes()).await;
            let second = Trickle::of(b" the rest, and more than that\n").await;
            reading.push(async move {
                let mut reader = BufReader::with_capacity(4, first.chain(second).take(24));
                // One step of std's own at first: it keeps its position.
                ready(|| reader.fill_buf().map(|_| ())).await.unwrap();
                let mut text = String::new();
                io::read_line(&mut reader, &mut text, 64).await.unwrap();
                (number, text)
            });
        }
        let mut seen = 0;
        while let Some((number, text)) = reading.next().await {
            let whole = format!("line {number} and the rest, and more than that\n");
            assert_eq!(text, whole[..24]);
            seen += 1;
        }
        assert_eq!(seen, 20);
    });
}

/// An error that keeps its `io::Error` for itself, or shows it as its source.
#[derive(Debug)]
struct Wrapped {
    cause: std_io::Error,
    hidden: bool,
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the protocol failed")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        (!self.hidden).then_some(&self.cause as &dyn Error)
    }
}

#[test]
fn ready_finds_a_not_yet_behind_other_errors_and_ready_if_a_hidden_one() {
    checked(async {
        let read = |reader: &mut Trickle, hidden| reader.read(&mut [0]).map_err(|cause| Wrapped { cause, hidden });
        let mut reader = Trickle::of(b"abc").await;
        assert_eq!(ready(|| read(&mut reader, false)).await.unwrap(), 1);
        let hidden = ready(|| read(&mut reader, true)).await.unwrap_err();
        assert_eq!(hidden.cause.kind(), ErrorKind::WouldBlock, "ready cannot know what it is, and passes it on");
        let is_not_yet = |error: &Wrapped| error.cause.kind() == ErrorKind::WouldBlock;
        assert_eq!(ready_if(|| read(&mut reader, true), is_not_yet).await.unwrap(), 1);
        let boxed = || read(&mut reader, false).map_err(std_io::Error::other);
        assert_eq!(ready(boxed).await.unwrap(), 1, "an io::Error around an error around an io::Error");
    });
}

#[test]
fn resume_carries_a_by_value_handshake_over_every_not_yet() {
    checked(async {
        let (steps, read) = Handshake::with(b"\x05abcd").await.unwrap();
        assert_eq!(read, b"\x05abcd");
        assert_eq!(steps, 6, "one that finds nothing, and one for each byte");
        assert_eq!(Handshake::with(b"\x05abc").await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(Handshake::with(b"\0").await.unwrap_err().to_string(), "refused by the peer");
    });
}

/// Polls `future` until it waits, drops it, and expects its wait to be gone.
fn abandon(name: &str, future: impl Future) {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "{name} waits");
    assert_eq!(waits(), 1, "{name}");
    drop(future);
    assert_eq!(waits(), 0, "{name}");
}

#[test]
fn a_dropped_future_leaves_no_wait_behind() {
    checked(async {
        let (idle, _peer) = connection().await;
        let (full, _peer) = narrow_connection().await;
        while full.try_write(&[0; 4096]).unwrap().is_some() {}
        let mut held_back = BufWriter::new(&full);
        io::write_all(&mut held_back, b"held back").await.unwrap();
        let step = |()| match Read::read(&mut &idle, &mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Attempt::NotYet(())),
            other => other.map(Attempt::Done),
        };
        abandon("ready", ready(|| Read::read(&mut &idle, &mut [0])));
        abandon("read", io::read(&mut &idle, &mut [0]));
        abandon("read_exact", io::read_exact(&mut &idle, &mut [0]));
        abandon("read_line", io::read_line(&mut BufReader::new(&idle), &mut String::new(), 8));
        abandon("write", io::write(&mut &full, b"x"));
        abandon("write_all", io::write_all(&mut &full, b"x"));
        abandon("flush", io::flush(&mut held_back));
        abandon("copy, reading", io::copy(&mut &idle, &mut Vec::new()));
        abandon("copy, writing", io::copy(&mut &b"x"[..], &mut &full));
        abandon("resume", io::resume(|| step(()), step));
        // Why? Its drop would write outside a scope, in vain.
        drop(held_back.into_parts());
    });
}

#[test]
fn a_line_that_was_abandoned_stands_in_its_text() {
    checked(async {
        let (client, server) = connection().await;
        let mut server = BufReader::new(server);
        let mut line = String::from("> ");
        client.write_all("grüße, ".as_bytes()).await.unwrap();
        server.get_ref().peek(&mut [0]).await.unwrap();
        abandon("read_line", io::read_line(&mut server, &mut line, 64));
        assert_eq!(line, "> grüße, ");
        client.write_all(b"world\n").await.unwrap();
        assert_eq!(io::read_line(&mut server, &mut line, 64).await.unwrap(), 6);
        assert_eq!(line, "> grüße, world\n");
    });
}
