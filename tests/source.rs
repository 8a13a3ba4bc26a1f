//! Any descriptor as a source: operations by closure, std I/O, what is refused, and what is left when it goes.
mod util;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use mainspring::io::HalfClose;
use mainspring::net::{Interest, Source};
use mainspring::tick::{Tick, schedule};
use mainspring::{ready, spawn};
use util::runtime::*;

/// A source, and its other end, which blocks.
fn source() -> (Source<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Source::new(ours).unwrap(), theirs)
}

#[test]
fn operations_are_closures_that_are_called_when_there_is_something_to_do() {
    run(async {
        let (source, mut peer) = source();
        let calls = Cell::new(0);
        let read = |mut stream: &UnixStream| {
            calls.set(calls.get() + 1);
            stream.read(&mut [0; 3])
        };
        assert_eq!(source.try_read_with(read).unwrap(), None);
        assert_eq!(source.try_read_with(read).unwrap(), None);
        assert_eq!(calls.get(), 1, "what is known not to be ready is not tried");
        peer.write_all(b"hello").unwrap();
        assert_eq!(source.read_with(read).await.unwrap(), 3);
        assert_eq!(source.try_read_with(read).unwrap(), Some(2));
        assert_eq!(source.try_read_with(read).unwrap(), None);
        assert_eq!(source.write_with(|mut stream| stream.write(b"back")).await.unwrap(), 4);
        assert_eq!(source.try_write_with(|mut stream| stream.write(b"!")).unwrap(), Some(1));
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 5);
        // An error of the operation is passed on.
        peer.write_all(b"x").unwrap();
        let error = source.read_with(|_| io::Result::<()>::Err(io::Error::other("mine"))).await.unwrap_err();
        assert_eq!(error.to_string(), "mine");
    });
}

#[test]
fn an_operation_that_fails_for_want_of_something_is_called_once() {
    run(async {
        let (source, _peer) = source();
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS] {
            let calls = Cell::new(0);
            let fail = |_: &UnixStream| {
                calls.set(calls.get() + 1);
                Err::<(), _>(io::Error::from_raw_os_error(code))
            };
            let errors = [
                source.try_write_with(fail).unwrap_err(),
                source.write_with(fail).await.unwrap_err(),
                source.try_read_with(fail).unwrap_err(),
                source.read_with(fail).await.unwrap_err(),
            ];
            assert_eq!(errors.map(|error| error.raw_os_error()), [Some(code); 4]);
            assert_eq!(calls.get(), 4);
        }
    });
}

#[test]
fn readable_is_believed_until_an_operation_says_otherwise() {
    run(async {
        let (source, mut peer) = source();
        // Optimistic at first.
        source.readable().await.unwrap();
        assert_eq!(source.try_read_with(|mut stream| stream.read(&mut [0])).unwrap(), None);
        assert!(poll_once(source.readable()).is_pending());
        let writing = spawn(async move {
            turns(2).await;
            peer.write_all(b"xy").unwrap();
            peer
        });
        source.readable().await.unwrap();
        assert_eq!(source.try_read_with(|mut stream| stream.read(&mut [0])).unwrap(), Some(1));
        source.readable().await.unwrap();
        assert_eq!(source.try_read_with(|mut stream| stream.read(&mut [0])).unwrap(), Some(1));
        drop(writing.await.unwrap());
        source.readable().await.unwrap();
        assert_eq!(source.read_with(|mut stream| stream.read(&mut [0])).await.unwrap(), 0);
        source.writable().await.unwrap();
    });
}

#[test]
fn std_io_works_inside_ready_and_ticks_and_nowhere_else() {
    run(async {
        let (mut source, mut peer) = source();
        assert_eq!(Read::read(&mut source, &mut [0]).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Write::write(&mut &source, b"x").unwrap_err().kind(), ErrorKind::Unsupported);
        peer.write_all(b"a line\nand more").unwrap();
        let mut buffer = [0; 7];
        mainspring::io::read_exact(&mut source, &mut buffer).await.unwrap();
        assert_eq!(&buffer, b"a line\n");
        assert_eq!(ready(|| (&source).read(&mut buffer)).await.unwrap(), 7);
        mainspring::io::write_all(&mut &source, b"answer").await.unwrap();
        mainspring::io::flush(&mut source).await.unwrap();
        assert_eq!(peer.read(&mut [0; 16]).unwrap(), 6);
        let task = schedule(move || match source.read(&mut [0; 16])? {
            0 => Ok(Tick::Final),
            _ => Ok(Tick::Again),
        });
        turns(2).await;
        peer.write_all(b"to the tick").unwrap();
        turns(2).await;
        drop(peer);
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_file_is_refused_with_the_error_of_the_selector() {
    run(async {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let error = Source::new(&file).unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::PermissionDenied, Some(libc::EPERM)));
        // What is given by reference is kept.
        assert!(file.metadata().is_ok());
        assert_eq!((stats().sources, stats().waits), (0, 0));
    });
    let (ours, _theirs) = UnixStream::pair().unwrap();
    assert!(Source::new(ours).unwrap_err().to_string().contains("a Source needs a reactor"));
}

#[test]
fn an_eventfd_is_waited_for() {
    run(async {
        // SAFETY: it takes no pointer, and the number is a new descriptor that nobody else knows.
        let fd = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
        let event = Source::with_interest(File::from(fd), Interest::READABLE).unwrap();
        let ring = event.get_ref().try_clone().unwrap();
        let waiting = spawn(async move {
            let mut number = [0; 8];
            event.read_with(|mut file| file.read_exact(&mut number)).await.unwrap();
            u64::from_ne_bytes(number)
        });
        turns(2).await;
        assert!(!waiting.is_finished());
        std::thread::spawn(move || (&ring).write_all(&7_u64.to_ne_bytes()).unwrap()).join().unwrap();
        assert_eq!(waiting.await.unwrap(), 7);
    });
}

#[test]
fn dropping_or_taking_it_back_removes_it_from_the_selector() {
    run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let source = Source::new(&ours).unwrap();
        if cfg!(all(target_os = "linux", not(mainspring_force_kqueue))) {
            assert_eq!(Source::new(&ours).unwrap_err().raw_os_error(), Some(libc::EEXIST));
        }
        assert_eq!(stats().sources, 1);
        drop(source);
        let mut source = Source::new(&ours).unwrap();
        assert_eq!(source.as_raw_fd(), ours.as_raw_fd());
        assert_eq!(source.get_mut().as_raw_fd(), ours.as_raw_fd());
        source.into_inner().unwrap();
        let (events, stale) = (stats().events, stats().stale_events);
        theirs.write_all(b"x").unwrap();
        turns(3).await;
        assert_eq!((stats().events, stats().stale_events, stats().sources), (events, stale, 0));
        // And once more.
        let source = Source::new(ours).unwrap();
        assert!(format!("{source:?}").starts_with("Source(UnixStream"));
        assert_eq!(source.read_with(|mut stream| stream.read(&mut [0])).await.unwrap(), 1);
        let mut ours = source.into_inner().unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "it stays non-blocking");
    });
}

#[test]
fn an_inner_object_that_is_dropped_is_dropped_once() {
    struct Counted(UnixStream, Rc<Cell<u32>>);
    impl std::os::fd::AsFd for Counted {
        fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
        }
    }
    run(async {
        let (drops, (ours, theirs)) = (Rc::new(Cell::new(0)), UnixStream::pair().unwrap());
        let source = Source::new(Counted(ours, drops.clone())).unwrap();
        let inner = source.into_inner().unwrap();
        assert_eq!(drops.get(), 0);
        drop(Source::new(inner).unwrap());
        assert_eq!(drops.get(), 1);
        assert!(Source::new(Counted(theirs, drops.clone())).is_ok());
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn timeouts_end_waits_and_the_longest_one_is_never() {
    in_virtual_time(async {
        let (source, mut peer) = source();
        assert_eq!(source.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        source.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        source.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(source.read_timeout(), source.write_timeout());
        let read = |mut stream: &UnixStream| stream.read(&mut [0]);
        assert_eq!(source.read_with(read).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(ready(|| (&source).read(&mut [0])).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(source.readable().await.unwrap_err().kind(), ErrorKind::TimedOut);
        let write = |mut stream: &UnixStream| stream.write(&[0; 65_536]);
        while source.try_write_with(write).unwrap().is_some() {}
        assert_eq!(source.write_with(write).await.unwrap_err().kind(), ErrorKind::TimedOut);
        source.set_read_timeout(Some(Duration::MAX)).unwrap();
        let reading = spawn(async move { source.read_with(|mut stream| stream.read(&mut [0])).await });
        turns(2).await;
        peer.write_all(b"x").unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn ten_thousand_cancelled_waits_leave_none() {
    run(async {
        let (source, _peer) = source();
        let read = |mut stream: &UnixStream| stream.read(&mut [0]);
        let write = |mut stream: &UnixStream| stream.write(&[0; 65_536]);
        while source.try_write_with(write).unwrap().is_some() {}
        for _ in 0..10_000 {
            assert!(poll_once(source.read_with(read)).is_pending());
            assert!(poll_once(source.readable()).is_pending());
            assert!(poll_once(source.write_with(write)).is_pending());
            assert!(poll_once(source.writable()).is_pending());
            assert!(poll_once(ready(|| (&source).read(&mut [0]))).is_pending());
            assert_eq!(stats().waits, 0);
            // So many within one poll are a spin.
            mainspring::yield_now().await;
        }
    });
}

#[test]
fn an_operation_that_never_has_enough_waits_for_the_next_event() {
    run(async {
        let (source, mut peer) = source();
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let waiting = spawn(async move {
            // As a library that reads by itself, and says whether it is done.
            let mut line = Vec::new();
            source
                .read_with(|mut stream| {
                    count.set(count.get() + 1);
                    let mut buffer = [0; 64];
                    let length = stream.read(&mut buffer)?;
                    line.extend_from_slice(&buffer[..length]);
                    if line.ends_with(b"\n") { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
                })
                .await
                .unwrap();
            line
        });
        for part in [&b"one "[..], b"two ", b"three\n"] {
            turns(3).await;
            assert!(!waiting.is_finished());
            peer.write_all(part).unwrap();
        }
        assert_eq!(waiting.await.unwrap(), b"one two three\n");
        assert_eq!(calls.get(), 4, "once at first, and once for each event");
    });
}

#[test]
fn shutting_down_is_passed_on_and_waits_for_room() {
    /// Has a last word to say.
    struct Polite(UnixStream);
    impl AsFd for Polite {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
    impl Write for Polite {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.write(buffer)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl HalfClose for Polite {
        fn shutdown_write(&mut self) -> io::Result<()> {
            self.0.write_all(b"!")?;
            self.0.shutdown(Shutdown::Write)
        }
    }
    run(async {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let mut source = Source::new(Polite(ours)).unwrap();
        while source.try_write_with(|inner| (&inner.0).write(&[7; 4096])).unwrap().is_some() {}
        let ending = spawn(async move {
            mainspring::io::shutdown(&mut source).await.unwrap();
            source
        });
        turns(2).await;
        assert!(!ending.is_finished());
        peer.set_nonblocking(true).unwrap();
        let (mut some, mut last) = ([0; 65_536], 0);
        until(|| {
            let is_finished = ending.is_finished();
            while let Ok(count @ 1..) = peer.read(&mut some) {
                last = some[count - 1];
            }
            is_finished
        })
        .await;
        assert_eq!(last, b'!');
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        drop(ending.await);
    });
}
