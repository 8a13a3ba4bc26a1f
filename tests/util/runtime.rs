//! Helpers for tests of the reactor: a limit on a test's time, connected pairs, seeds, wakers that can be watched, and
//! the test binary run again as a child process.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::panic;
use std::pin::{Pin, pin};
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use mainspring::net::{TcpListener, TcpStream};
use mainspring::time::Clock;
use mainspring::{Reactor, Stats};

/// True if the selector is kqueue, a BSD's or the stand-in on Linux; else it is epoll.
pub(crate) const KQUEUE: bool =
    cfg!(any(mainspring_force_kqueue, not(any(target_os = "linux", target_os = "android", target_os = "illumos"))));

/// Longer than any test takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// How long one thing is waited for; only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the process if it is not dropped in time: a test that hangs or spins says which it is, and fails.
pub(crate) struct Limit(#[allow(dead_code)] mpsc::Sender<()>);

impl Limit {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        let name = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            if receiver.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{name} has not ended after {LIMIT:?}");
                std::process::abort();
            }
        });
        Self(sender)
    }
}

/// Runs `future` on a new reactor, and returns its output with what the reactor has done.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> (T, Stats) {
    let _limit = Limit::new();
    let reactor = Reactor::new().expect("a reactor");
    let output = reactor.block_on(future).expect("the reactor runs");
    (output, reactor.stats())
}

/// Runs `future` with a clock that jumps to the next timer when nothing else is to be done.
pub(crate) fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let _limit = Limit::new();
    Reactor::builder().clock(Clock::auto()).build().unwrap().block_on(future).unwrap()
}

/// Runs what `test` makes of the clock that only it moves.
pub(crate) fn with_manual_clock<T, F: Future<Output = T>>(test: impl FnOnce(Clock) -> F) -> T {
    let _limit = Limit::new();
    let clock = Clock::manual();
    Reactor::builder().clock(clock.clone()).build().unwrap().block_on(test(clock)).unwrap()
}

/// The stats of the running reactor.
pub(crate) fn stats() -> Stats {
    Stats::current().expect("a reactor is running")
}

/// Two ends of a connection.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    let (server, _) = listener.accept().await.expect("its other end");
    (client, server)
}

/// One end on the running reactor, the other of std and blocking.
pub(crate) async fn half_std() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (stream, _) = listener.accept().await.expect("its other end");
    (stream, peer)
}

/// Gives way until `done`, through whole turns of the loop, so that the selector is asked. Fails if it never is: by the
/// system's clock, for what is waited for may be another thread's, and a million turns pass before that has its turn.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        for _ in 0..1_000 {
            if done() {
                return;
            }
            mainspring::yield_now().await;
        }
    }
    panic!("what was waited for did not come");
}

/// Gives way until the selector has been asked `times` more: whatever was pending in it has arrived.
pub(crate) async fn turns(times: u64) {
    let start = stats().selects;
    until(|| stats().selects >= start + times).await;
}

/// Reads until the end.
pub(crate) async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Polls once with `waker`.
pub(crate) fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls once with a waker that does nothing, and drops the future.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    poll_with(pin!(future), Waker::noop())
}

/// Counts its wakes: a waker that is not the reactor's own.
#[derive(Default)]
pub(crate) struct CountingWaker(AtomicUsize);

impl CountingWaker {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (counter.clone(), counter.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Panics when it is woken.
pub(crate) struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("{EXPECTED}: a waker");
    }
}

/// Counts how many of its kind are alive.
#[derive(Clone, Default)]
pub(crate) struct Alive(Rc<Cell<usize>>);

impl Alive {
    /// How many tokens are alive.
    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }

    /// One more, until it is dropped.
    pub(crate) fn token(&self) -> Token {
        self.0.set(self.0.get() + 1);
        Token(self.0.clone())
    }
}

/// One of [`Alive`].
pub(crate) struct Token(Rc<Cell<usize>>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Panics when it is dropped, unless another panic is under way.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("{EXPECTED}: a drop");
        }
    }
}

/// How the messages of panics that belong to a test begin; they are not printed.
pub(crate) const EXPECTED: &str = "expected";

/// Keeps the panics that belong to a test out of its output.
pub(crate) fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied());
            if !text.is_some_and(|text| text.starts_with(EXPECTED)) {
                before(info);
            }
        }));
    });
}

/// Random numbers (splitmix64) from a seed that is printed, or given in `MAINSPRING_SEED`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let given = std::env::var("MAINSPRING_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            use std::hash::{BuildHasher, Hasher};
            std::hash::RandomState::new().build_hasher().finish()
        });
        println!("MAINSPRING_SEED={seed}");
        Self(seed)
    }

    /// For a part of a test, from a number that its own random numbers gave.
    pub(crate) fn from(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Set in a child process.
const CHILD: &str = "MAINSPRING_CHILD";

/// Runs `body` in a process of its own: the test `name` of this binary is run again, alone. For limits, signals and
/// counts that belong to the process. The output of the child must show that the test passed.
pub(crate) fn in_child(name: &str, body: impl FnOnce()) {
    in_child_with(name, &[], body);
}

/// The same with variables in its environment.
pub(crate) fn in_child_with(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        let _limit = Limit::new();
        return body();
    }
    let output = child(name, variables);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "the child ended with {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn child(name: &str, variables: &[(&str, &str)]) -> Output {
    let binary = std::env::current_exe().expect("the test binary has a path");
    Command::new(binary)
        .args([name, "--exact", "--nocapture", "--include-ignored"])
        .env(CHILD, name)
        .envs(variables.iter().copied())
        .output()
        .expect("a child process")
}

/// The processor time that this thread has used: what else runs on the machine is not in it.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable for one timespec.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    // The directory that is being read is one of them.
    std::fs::read_dir("/proc/self/fd").expect("a list of descriptors").count() - 1
}
