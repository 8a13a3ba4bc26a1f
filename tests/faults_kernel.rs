//! The same errors from the real kernel: a child process serves while strace(1) makes its system calls fail, and what
//! comes of it is what `faults_rows.rs` expects of the faults that are made inside the process.
//!
//! Without `--cfg mainspring_faults`: the child is this test, run again as users build it. It needs `strace`
//! (Debian: `apt-get install strace`) and the right to trace a child, and fails where it has not.
//!
//! Not over the stand-in for kqueue: strace names the calls of the epoll backend, and the calls that the stand-in makes
//! are no part of the product.
#![cfg(all(feature = "service", target_os = "linux", not(mainspring_faults), not(mainspring_force_kqueue)))]

mod util;

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use libc::{
    EACCES, EADDRNOTAVAIL, EAGAIN, EBADF, ECONNABORTED, ECONNREFUSED, ECONNRESET, EEXIST, EFAULT, EHOSTDOWN,
    EHOSTUNREACH, EINTR, EINVAL, EIO, EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, ENONET, ENOPROTOOPT,
    ENOSPC, ENOSYS, ENOTSOCK, EOPNOTSUPP, EPERM, EPIPE, EPROTO, ETIMEDOUT,
};
use mainspring::Reactor;
use mainspring::channel::oneshot;

use util::outcome::Must::{self, EndConnection, EndListener, EndRun, Nothing, PassOver, Pause, Shed};
use util::outcome::{Outcome, Report, serve_until};
use util::peers;
use util::runtime::{Limit, half_std, open_descriptors, run};
use util::services::Style;

/// Says to a child what it is to do.
const ROLE: &str = "MAINSPRING_KERNEL_ROLE";

/// The call, which of them, how many in a row fail, with which codes, and what must come of it. The first registrations
/// are those of the waker and the listener.
type Row = (&'static str, u64, u64, &'static [i32], Must);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("accept4", 3, 1, &[EINTR], Nothing),
    ("accept4", 3, 1, &[ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
        ENETUNREACH], PassOver),
    ("accept4", 3, 3, &[EMFILE, ENFILE, ENOBUFS, ENOMEM], Pause),
    ("accept4", 3, 1, &[EINVAL, EBADF, ENOTSOCK, EIO], EndListener),
    ("epoll_ctl", 7, 1, &[ENOSPC, ENOMEM, EEXIST, EPERM, EBADF], Shed),
    ("epoll_wait", 9, 1, &[EINTR], Nothing),
    ("epoll_wait", 9, 1, &[EBADF, EINVAL, EFAULT, EIO], EndRun),
    ("recvfrom", 9, 1, &[EINTR], Nothing),
    ("recvfrom", 9, 1, &[ECONNRESET, ETIMEDOUT, EIO], EndConnection),
    ("sendto", 9, 1, &[EINTR, ENOBUFS, ENOMEM], Nothing),
    ("sendto", 9, 1, &[EPIPE, ECONNRESET, EIO], EndConnection),
    ("recvmsg", 9, 1, &[EINTR], Nothing),
    ("recvmsg", 9, 1, &[ECONNRESET], EndConnection),
    ("sendmsg", 9, 1, &[EINTR, ENOBUFS], Nothing),
    ("sendmsg", 9, 1, &[EPIPE], EndConnection),
];

/// How long this test is called.
const NAME: &str = "the_kernel_fails_and_the_same_comes_of_it";

#[test]
fn the_kernel_fails_and_the_same_comes_of_it() {
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    let _limit = Limit::new();
    let mut rows = 0;
    for &(call, nth, times, codes, must) in ROWS {
        let style = if matches!(call, "recvmsg" | "sendmsg") { Style::Vectored } else { Style::Async };
        for &code in codes {
            let outcome = serve_traced(style, &Inject { call, nth, times, code });
            let problems = outcome.problems(must, code, times);
            assert!(problems.is_empty(), "{call} {nth} failed with {code}, {must:?}: {problems:?}\n{outcome:#?}");
            rows += 1;
        }
    }
    println!("{rows} rows of a service");
}

#[test]
fn the_kernel_fails_a_connect_and_it_is_the_only_one() {
    let role = "the_kernel_fails_a_connect_and_it_is_the_only_one";
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    let _limit = Limit::new();
    let address = peers::echo();
    #[rustfmt::skip]
    let rows: [(&str, u64, &[i32]); 3] = [
        ("socket", 3, &[EMFILE, ENFILE, ENOMEM, ENOBUFS]),
        ("connect", 3, &[ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EACCES, EADDRNOTAVAIL]),
        ("epoll_ctl", 4, &[ENOSPC, ENOMEM]),
    ];
    for (call, nth, codes) in rows {
        for &code in codes {
            let child = Traced::start(role, &format!("connect {address}"), &Inject { call, nth, times: 1, code });
            let (report, trace) = child.end();
            assert_eq!((report.failures, trace.injected()), (vec![code], 1), "{call} {nth} failed with {code}");
        }
    }
}

#[test]
fn the_kernel_fails_what_a_reactor_is_made_of_and_nothing_is_left_open() {
    let role = "the_kernel_fails_what_a_reactor_is_made_of_and_nothing_is_left_open";
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    for (call, codes) in [("epoll_create1", [EMFILE, ENFILE, ENOMEM]), ("eventfd2", [EMFILE, ENFILE, ENOMEM])] {
        for code in codes {
            let child = Traced::start(role, "make", &Inject { call, nth: 1, times: 1, code });
            let (report, trace) = child.end();
            assert_eq!((report.run, trace.injected()), (Some(code), 1), "{call} failed with {code}");
        }
    }
}

#[test]
fn a_close_that_is_interrupted_is_not_made_again() {
    let role = "a_close_that_is_interrupted_is_not_made_again";
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    // All from there on: no descriptor is closed, so no number is used again, and one that is closed twice was retried.
    let child = Traced::start(role, "close", &Inject { call: "close", nth: SPENT + 1, times: u64::MAX, code: EINTR });
    let (report, trace) = child.end();
    let mut closed = HashMap::new();
    for call in trace.0.lines().filter(|line| line.contains("(INJECTED)")) {
        let number = call.split_once("close(").and_then(|(_, rest)| rest.split_once(')')).expect("a close").0;
        *closed.entry(number.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(closed.get(&report.accepted.to_string()), Some(&1), "the stream's descriptor\n{}", trace.0);
    assert!(closed.values().all(|&times| times == 1), "{closed:?}");
}

#[test]
fn a_wake_that_finds_the_counter_full_arrives() {
    let role = "a_wake_that_finds_the_counter_full_arrives";
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    let child = Traced::start(role, "wake", &Inject { call: "write", nth: SPENT + 1, times: 1, code: EAGAIN });
    let (report, trace) = child.end();
    assert_eq!((report.accepted, trace.injected()), (1, 1), "{}", trace.0);
}

#[test]
fn a_kernel_without_fine_waits_is_asked_once() {
    let role = "a_kernel_without_fine_waits_is_asked_once";
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    for code in [ENOSYS, EPERM] {
        let inject = Inject { call: "epoll_pwait2", nth: 1, times: u64::MAX, code };
        let (report, trace) = Traced::start(role, "sleep", &inject).end();
        assert_eq!((report.accepted, trace.injected()), (3, 1), "{}", trace.0);
    }
}

/// How many calls a thread makes before the one that is meant: more than the loader and the harness of the tests make
/// on theirs, where calls are counted apart.
const SPENT: u64 = 50;

/// What the child does.
fn play(role: &str) {
    let _limit = Limit::new();
    let (what, of) = role.split_once(' ').unwrap_or((role, ""));
    let report = match what {
        "serve" => serve_until_told(if of == "Vectored" { Style::Vectored } else { Style::Async }),
        "connect" => Report { failures: connect(of.parse().expect("an address")), ..Report::default() },
        "make" => {
            let open = open_descriptors();
            let run = Reactor::new().err().and_then(|error| error.raw_os_error());
            assert_eq!(open_descriptors(), open);
            assert_eq!(Reactor::new().and_then(|reactor| reactor.block_on(async { 1 })).expect("the next"), 1);
            Report { run, ..Report::default() }
        }
        "close" => Report { accepted: close(), ..Report::default() },
        "wake" => Report { accepted: wake(), ..Report::default() },
        _ => Report { accepted: sleep_finely(), ..Report::default() },
    };
    println!("{}", report.to_line());
}

/// Serves until the standard input ends.
fn serve_until_told(style: Style) -> Report {
    let (done, all_done) = oneshot::channel();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        // Why ignored: the reactor may have failed.
        let _ = done.send(());
    });
    let ready = |address| println!("address {address}");
    let reactor = Reactor::new().expect("a reactor");
    serve_until(reactor, style, ready, async { all_done.await.expect("told") })
}

/// Ten connections, one after the other: the codes of those that failed.
fn connect(address: SocketAddr) -> Vec<i32> {
    run(async {
        let mut failures = Vec::new();
        for _ in 0..10 {
            let exchange = async {
                let stream = mainspring::net::TcpStream::connect(address).await?;
                stream.write_all(b"hello").await?;
                let mut answer = [0; 5];
                assert_eq!(stream.read(&mut answer).await?, 5);
                assert_eq!(&answer, b"hello");
                io::Result::Ok(())
            };
            failures.extend(exchange.await.err().map(|error| error.raw_os_error().expect("a code")));
        }
        failures
    })
    .0
}

/// The descriptor of a stream that was dropped.
fn close() -> u64 {
    for _ in 0..SPENT {
        // SAFETY: there is no such descriptor.
        unsafe { libc::close(-1) };
    }
    run(async {
        let (stream, _peer) = half_std().await;
        let number = stream.as_raw_fd();
        drop(stream);
        number as u64
    })
    .0
}

/// 1 if a wake from another thread has come.
fn wake() -> u64 {
    run(async {
        let (sender, receiver) = oneshot::channel();
        // SAFETY: gettid takes nothing.
        let reactor = unsafe { libc::gettid() };
        thread::spawn(move || {
            let mut null = fs::OpenOptions::new().write(true).open("/dev/null").expect("/dev/null");
            for _ in 0..SPENT {
                null.write_all(b"x").expect("it takes everything");
            }
            // A wake is a write only when the reactor sleeps (`S`, proc(5)).
            let stat = format!("/proc/self/task/{reactor}/stat");
            while !fs::read_to_string(&stat).expect("a thread").contains(") S ") {
                thread::yield_now();
            }
            sender.send(1).expect("it is awaited");
        });
        receiver.await.expect("it is sent")
    })
    .0
}

/// How many sleeps of a third of a millisecond were not early.
fn sleep_finely() -> u64 {
    run(async {
        let mut good = 0;
        for _ in 0..3 {
            let (start, time) = (Instant::now(), std::time::Duration::from_micros(333));
            mainspring::time::sleep(time).await;
            good += u64::from(start.elapsed() >= time);
        }
        good
    })
    .0
}

/// What strace makes fail.
struct Inject {
    call: &'static str,
    nth: u64,
    times: u64,
    code: i32,
}

/// What strace has written.
struct Trace(String);

impl Trace {
    fn injected(&self) -> u64 {
        self.0.matches("(INJECTED)").count() as u64
    }
}

/// A child under strace.
struct Traced {
    child: std::process::Child,
    trace: std::path::PathBuf,
    stdout: io::BufReader<std::process::ChildStdout>,
}

impl Traced {
    /// Starts the test `name` as a child that plays a role.
    fn start(name: &str, role: &str, inject: &Inject) -> Self {
        static TRACES: AtomicU32 = AtomicU32::new(0);
        let number = TRACES.fetch_add(1, Ordering::Relaxed);
        let trace = env::temp_dir().join(format!("mainspring-trace-{}-{number}", std::process::id()));
        let Inject { call, nth, times, code } = inject;
        let when = if *times == u64::MAX { format!("{nth}+") } else { format!("{nth}..{}", nth + times - 1) };
        let mut child = Command::new("strace")
            .args(["-f", "-qq", "--seccomp-bpf", "-e", &format!("trace={call}"), "-e"])
            .args([format!("inject={call}:error={code}:when={when}"), "-o".to_owned()])
            .arg(&trace)
            .arg(env::current_exe().expect("the test binary has a path"))
            .args([name, "--exact", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace runs: apt-get install strace");
        let stdout = io::BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, trace, stdout }
    }

    /// Waits until the child has said where it listens.
    fn address(&mut self) -> SocketAddr {
        for line in self.stdout.by_ref().lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("address ") {
                return address.parse().expect("an address");
            }
        }
        let output = self.child.wait().expect("it has ended");
        panic!("the child has ended with {output} before it listened: may this process trace a child?");
    }

    /// Tells the child to end, and waits until it has.
    fn end(mut self) -> (Report, Trace) {
        drop(self.child.stdin.take());
        let (mut said, mut complaints) = (String::new(), String::new());
        self.stdout.read_to_string(&mut said).expect("its output");
        self.child.stderr.take().expect("it is piped").read_to_string(&mut complaints).expect("its complaints");
        let status = self.child.wait().expect("its status");
        assert!(status.success() && said.contains("1 passed"), "the child ended with {status}\n{said}\n{complaints}");
        let trace = fs::read_to_string(&self.trace).expect("the trace");
        fs::remove_file(&self.trace).expect("the trace");
        (Report::from_output(&said).expect("a report"), Trace(trace))
    }
}

/// Serves all peers from a child.
fn serve_traced(style: Style, inject: &Inject) -> Outcome {
    let start = Instant::now();
    let mut child = Traced::start(NAME, &format!("serve {style:?}"), inject);
    let seen = peers::start(style.protocol(), child.address()).join().expect("no client panics");
    let (report, trace) = child.end();
    Outcome { report, seen, hits: vec![trace.injected()], calls: 0, took: start.elapsed() }
}
