//! Late events: what the selector still reports of a source that is closed reaches nobody, whoever has its place by
//! then.
//!
//! The only test of this process, because it foresees descriptor numbers. `STALE_ROUNDS` sets the number of rounds.
mod util;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use util::runtime::*;

/// Rounds on one reactor, so that the time of a test has its limit.
const EPISODE: u64 = 1_000;

/// The number that the next descriptor will have.
fn next_descriptor() -> RawFd {
    File::open("/dev/null").unwrap().as_raw_fd()
}

/// A stream, its peer, and a duplicate of it that it does not know of, as a fork makes: closing the stream does not end
/// its registration.
async fn connection(listener: &TcpListener) -> (TcpStream, std::net::TcpStream, OwnedFd) {
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let number = next_descriptor();
    let (stream, _) = listener.accept().await.unwrap();
    // SAFETY: takes no pointer, and the number is that of `stream`, which is alive.
    let copy = unsafe { libc::dup(number) };
    // SAFETY: a descriptor that was just made, and that nobody else knows.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let copy = std::net::TcpStream::from(copy);
    assert_eq!(copy.peer_addr().unwrap(), peer.local_addr().unwrap(), "the premise of this test");
    // No port is left waiting for late packets: there are fewer of them than rounds.
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    (stream, peer, copy.into())
}

#[test]
fn an_event_of_a_closed_source_is_counted_and_reaches_nobody() {
    let rounds = std::env::var("STALE_ROUNDS").map_or(10_000, |rounds| rounds.parse().unwrap());
    println!("STALE_ROUNDS={rounds}");
    let mut stale = 0;
    for episode in 0..rounds / EPISODE {
        let ((), stats) = run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            // What is sent here comes after all that was there before it: the loop has seen that when it has come.
            let (here, mut there) = half_std().await;
            let mut catch_up = async || {
                // So that the next one waits for its event.
                assert_eq!(here.try_read(&mut [0; 8]).unwrap(), None);
                there.write_all(b"x").unwrap();
                assert_eq!(here.read(&mut [0; 8]).await.unwrap(), 1);
            };
            let (old, mut old_peer, mut _old_copy) = connection(&listener).await;
            drop(old);
            for round in episode * EPISODE..(episode + 1) * EPISODE {
                // The next one takes its place in the table, and what it takes is its own.
                let (new, mut new_peer, new_copy) = connection(&listener).await;
                let ticks = Rc::new(Cell::new(0));
                let count = ticks.clone();
                let task = schedule(move || {
                    count.set(count.get() + 1);
                    Ok(if new.try_read(&mut [0; 8])? == Some(3) { Tick::Final } else { Tick::WouldBlock })
                });
                catch_up().await;
                assert_eq!(ticks.get(), 1);
                let before = stats().stale_events;
                old_peer.write_all(b"for the old one").unwrap();
                catch_up().await;
                assert_eq!(ticks.get(), 1, "round {round}: an event of the old source woke the new one");
                // kqueue forgets a number that is closed, whatever is open on the same socket: there is no event.
                let has_come = stats().stale_events > before;
                assert!(has_come || KQUEUE, "round {round}: no event came, so nothing was tested");
                new_peer.write_all(b"new").unwrap();
                task.await.unwrap().unwrap();
                (old_peer, _old_copy) = (new_peer, new_copy);
            }
        });
        assert!(stats.stale_events >= EPISODE || KQUEUE);
        stale += stats.stale_events;
    }
    println!("{stale} stale events");
}
