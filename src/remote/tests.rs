//! Which slot is made next.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mainspring_sys::fork;

use super::{BEGUN, CHUNK, CHUNKS, Lease, OnceLock, directory};

#[test]
fn a_chunk_that_somebody_is_making_for_ever_is_passed_over() {
    // As in a child whose parent had a thread that was making it. Meanwhile the other tests wait for their reactors.
    let guard = directory(fork::generation()).unwrap();
    let number = BEGUN.load(SeqCst).next_multiple_of(CHUNK as u16);
    let (begin, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let making = thread::spawn(move || {
        CHUNKS[usize::from(number) / CHUNK].get_or_init(|| {
            begin.send(()).unwrap();
            ended.recv().unwrap();
            Box::new([const { OnceLock::new() }; CHUNK])
        });
    });
    begun.recv().unwrap();
    BEGUN.store(number + 1, SeqCst);

    let (give, given) = mpsc::channel();
    thread::spawn(move || give.send(Lease::make(fork::generation())));
    let lease = given.recv_timeout(Duration::from_secs(60)).expect("it waits").unwrap();
    assert_eq!(lease.number, number + CHUNK as u16);
    end.send(()).unwrap();
    making.join().unwrap();
    drop(guard);
    lease.end(false);
}
