//! Pipes: bytes one way, the end when the writer has gone, an error and no signal when the reader has.
mod util;

use std::io::{BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use mainspring::io::HalfClose;
use mainspring::net::{PipeReader, PipeWriter, pipe};
use mainspring::tick::{Tick, schedule};
use mainspring::{ready, spawn};
use util::runtime::*;

async fn read_all(reader: &PipeReader) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match reader.read(&mut buffer).await.unwrap() {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn a_hang_up_without_anything_to_read_is_the_end() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        let reading = spawn(async move { read_all(&reader).await });
        turns(2).await;
        assert!(!reading.is_finished());
        // Everything was read before the writer goes: the event is a hang-up alone.
        writer.write_all(b"Hello!\nGood bye!").await.unwrap();
        turns(2).await;
        drop(writer);
        assert_eq!(reading.await.unwrap(), b"Hello!\nGood bye!");
    });
}

#[test]
fn what_was_written_before_the_writer_went_is_read_first() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        writer.write_all(&[5; 10_000]).await.unwrap();
        drop(writer);
        turns(2).await;
        assert_eq!(read_all(&reader).await, [5; 10_000]);
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0, "an end is an end");
    });
}

#[test]
fn a_writer_waits_for_room_and_learns_that_the_reader_has_gone() {
    in_child("a_writer_waits_for_room_and_learns_that_the_reader_has_gone", || {
        // SAFETY: the default action, which ends the process; nothing else in it sets a handler.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        run(async {
            let (reader, writer) = pipe().unwrap();
            let mut written = 0;
            while let Some(count) = writer.try_write(&[7; 10_000]).unwrap() {
                written += count;
            }
            let writing = spawn(async move {
                let count = writer.write(&[7; 100]).await.unwrap();
                (writer, count)
            });
            turns(2).await;
            assert!(!writing.is_finished());
            let mut rest = vec![0; written];
            mainspring::io::read_exact(&mut &reader, &mut rest).await.unwrap();
            let (writer, count) = writing.await.unwrap();
            assert_eq!(read_some(&reader, count).await, vec![7; count]);
            while writer.try_write(&[7; 10_000]).unwrap().is_some() {}
            let writer = Rc::new(writer);
            let waiting = writer.clone();
            let writing = spawn(async move { waiting.write(b"x").await });
            turns(2).await;
            assert!(!writing.is_finished());
            drop(reader);
            assert_eq!(writing.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(writer.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    });
}

async fn read_some(reader: &PipeReader, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    mainspring::io::read_exact(&mut &*reader, &mut buffer).await.unwrap();
    buffer
}

#[test]
fn a_large_transfer_is_exact() {
    const BYTES: usize = 1_000_000;
    let pattern = |position: usize| (position ^ position >> 8 ^ position >> 16) as u8;
    run(async move {
        let (reader, writer) = pipe().unwrap();
        let writing = spawn(async move {
            let all: Vec<u8> = (0..BYTES).map(pattern).collect();
            writer.write_all(&all).await.unwrap();
        });
        let all = read_all(&reader).await;
        assert_eq!(all.len(), BYTES);
        assert!(all.iter().enumerate().all(|(position, byte)| *byte == pattern(position)));
        writing.await.unwrap();
    });
}

#[test]
fn std_io_ticks_vectors_and_empty_buffers() {
    run(async {
        let (mut reader, mut writer) = pipe().unwrap();
        assert_eq!(Read::read(&mut reader, &mut [0]).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Write::write(&mut writer, b"x").unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        assert_eq!(writer.write(b"").await.unwrap(), 0);
        assert_eq!(reader.try_read(&mut [0]).unwrap(), None);
        let slices = [IoSlice::new(b"one\n"), IoSlice::new(b"two\n")];
        assert_eq!(writer.write_vectored(&slices).await.unwrap(), 8);
        assert_eq!(writer.try_write_vectored(&slices).unwrap(), Some(8));
        let (mut first, mut second) = ([0; 2], [0; 6]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(reader.read_vectored(&mut buffers).await.unwrap(), 8);
        assert_eq!(reader.try_read_vectored(&mut buffers).unwrap(), Some(8));
        assert_eq!((&first, &second), (b"on", b"e\ntwo\n"));

        let task = schedule(move || match reader.try_read(&mut [0; 8])? {
            Some(0) => Ok(Tick::Final),
            _ => Ok(Tick::WouldBlock),
        });
        mainspring::io::write_all(&mut writer, b"three\n").await.unwrap();
        turns(2).await;
        drop(writer);
        task.await.unwrap().unwrap();

        let (reader, writer) = pipe().unwrap();
        let mut reader = BufReader::new(reader);
        let lines = spawn(async move {
            let mut line = Vec::new();
            ready(|| reader.fill_buf().map(|_| ())).await.unwrap();
            line.extend_from_slice(reader.buffer());
            line
        });
        turns(2).await;
        writer.write_all(b"a line").await.unwrap();
        assert_eq!(lines.await.unwrap(), b"a line");
    });
}

#[test]
fn a_child_is_written_to_and_read_from() {
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = PipeWriter::from_fd(child.stdin.take().unwrap()).unwrap();
        let output = PipeReader::from_fd(child.stdout.take().unwrap()).unwrap();
        // More than two pipes hold.
        let writing = spawn(async move { input.write_all(&[b'y'; 300_000]).await });
        assert_eq!(read_all(&output).await, [b'y'; 300_000]);
        writing.await.unwrap().unwrap();
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_file_is_refused_with_the_error_of_the_selector() {
    run(async {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let error = PipeReader::from_fd(file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert_eq!(stats().sources, 0);
    });
    assert!(pipe().unwrap_err().to_string().contains("a pipe needs a reactor"));
}

#[test]
fn timeouts_end_waits_and_ends_can_be_given_away() {
    in_virtual_time(async {
        let (reader, writer) = pipe().unwrap();
        assert_eq!(reader.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        reader.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(reader.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(reader.readable().await.unwrap_err().kind(), ErrorKind::TimedOut);
        reader.set_read_timeout(Some(Duration::MAX)).unwrap();
        writer.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
        assert_eq!((reader.read_timeout().is_some(), writer.write_timeout()), (true, Some(Duration::from_secs(3))));
        while writer.try_write(&[0; 65_536]).unwrap().is_some() {}
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(writer.writable().await.unwrap_err().kind(), ErrorKind::TimedOut);
        let (reader, writer) = (reader.into_fd().unwrap(), writer.into_fd().unwrap());
        assert_eq!((stats().sources, stats().waits), (0, 0));
        let (reader, writer) = (PipeReader::from_fd(reader).unwrap(), PipeWriter::from_fd(writer).unwrap());
        assert!(reader.read(&mut [0; 65_536]).await.unwrap() > 0);
        writer.write_all(b"x").await.unwrap();
        assert!(format!("{reader:?} {writer:?}").starts_with("PipeReader("));
    });
}

#[test]
fn ten_thousand_cancelled_reads_and_writes_leave_no_wait() {
    run(async {
        let ((reader, _writer), (_reader, writer)) = (pipe().unwrap(), pipe().unwrap());
        while writer.try_write(&[0; 65_536]).unwrap().is_some() {}
        for _ in 0..10_000 {
            assert!(poll_once(reader.read(&mut [0])).is_pending());
            assert!(poll_once(reader.readable()).is_pending());
            assert!(poll_once(writer.write(b"x")).is_pending());
            assert!(poll_once(writer.writable()).is_pending());
            assert_eq!(stats().waits, 0);
            // So many within one poll are a spin.
            mainspring::yield_now().await;
        }
    });
}

#[test]
fn a_dropped_read_or_write_loses_and_repeats_nothing() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        for round in 0..200_u8 {
            assert!(poll_once(reader.read(&mut [0; 8])).is_pending());
            let waiting = poll_once(reader.readable());
            assert!(waiting.is_pending());
            assert_eq!(writer.write(&[round]).await.unwrap(), 1);
            if round % 2 == 0 {
                turns(1).await;
            }
            let mut buffer = [0; 8];
            assert_eq!(reader.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], round);
        }
    });
}

#[test]
fn a_large_transfer_costs_more_than_a_small_one() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        let mut buffer = vec![7; 65_536];
        let polls = stats().polls;
        let mut moved = 0;
        while moved < 1 << 20 {
            let count = writer.write(&buffer).await.unwrap();
            moved += count;
            assert_eq!(reader.read(&mut buffer[..count]).await.unwrap(), count);
        }
        // A mebibyte in and the same out, of which a poll moves a half.
        let polls = stats().polls - polls;
        assert!((3..=6).contains(&polls), "{polls} polls");
    });
}

#[test]
fn a_writer_that_was_shut_down_is_at_its_end_and_writes_no_more() {
    run(async {
        let (reader, writer) = pipe().unwrap();
        let mut writer = Box::new(writer);
        mainspring::io::write_all(&mut writer, b"last").await.unwrap();
        for _ in 0..2 {
            mainspring::io::shutdown(&mut writer).await.unwrap();
        }
        assert_eq!(read_all(&reader).await, b"last");
        assert_eq!(writer.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(stats().sources, 2);
    });
}

#[test]
fn a_writer_whose_reactor_has_ended_is_not_shut_down_on_the_next_one() {
    let ((_reader, mut writer), _) = run(async { pipe().unwrap() });
    run(async {
        let (other, _other_writer) = pipe().unwrap();
        turns(2).await;
        let (sources, events) = (stats().sources, stats().events);
        assert_eq!(writer.shutdown_write().unwrap_err().kind(), ErrorKind::NotConnected);
        turns(2).await;
        assert_eq!((stats().sources, stats().events), (sources, events));
        assert_eq!(other.try_read(&mut [0]).unwrap(), None);
    });
}
