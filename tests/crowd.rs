//! Thousands that wait on one source: each event, and each that gives up, costs its share.
mod util;

use mainspring::net::UnixStream;
use mainspring::{JoinHandle, spawn};
use std::rc::Rc;
use std::time::Duration;
use util::runtime::{run, stats, thread_time, until};

/// Tasks that wait for one byte each.
fn readers(stream: &Rc<UnixStream>, count: usize) -> Vec<JoinHandle<u8>> {
    let reader = |stream: Rc<UnixStream>| async move {
        let mut buffer = [0; 1];
        stream.read(&mut buffer).await.unwrap();
        buffer[0]
    };
    (0..count).map(|_| spawn(reader(stream.clone()))).collect()
}

/// The processor time until `count` wait, one has got a byte, the others wait again, and all have given up.
async fn time_of(count: usize) -> Duration {
    let (stream, peer) = UnixStream::pair().unwrap();
    let stream = Rc::new(stream);
    let start = thread_time();
    let tasks = readers(&stream, count);
    until(|| stats().waits == count).await;
    peer.write_all(b"x").await.unwrap();
    until(|| stats().waits == count - 1).await;
    drop(peer);
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
    assert_eq!(stats().waits, 0);
    thread_time() - start
}

#[test]
fn ten_times_as_many_waits_take_no_hundred_times_as_long() {
    run(async {
        // The best of some: what others do costs caches all the same.
        let (mut few, mut many) = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            few = few.min(time_of(2_000).await);
            many = many.min(time_of(20_000).await);
        }
        assert!(many < few * 40, "{few:?} for 2,000 and {many:?} for 20,000");
    });
}
