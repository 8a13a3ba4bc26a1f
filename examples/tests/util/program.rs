//! An example as a child process: started, awaited, told to end, and killed when the test is over.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a test waits for anything; only a failure takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What an idle server may take to end: less than the ten seconds for which it waits for what is in flight.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(8);

/// A command that runs the example `name`, which `cargo test` builds beside the tests.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("the path of the test");
    let target: PathBuf = test.parent().and_then(|deps| deps.parent()).expect("a target directory").into();
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: build it with `cargo build --examples`", path.display());
    Command::new(path)
}

/// A server among the examples, at work.
pub(crate) struct Program {
    child: Child,
    /// What it says of itself on stderr, up to the address.
    greeting: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Hears of the end of its stdout, and so of its own.
    ended: mpsc::Receiver<()>,
    /// Hears what it says later on stderr, line by line.
    said: mpsc::Receiver<String>,
}

impl Program {
    /// Starts the server `name` on a free port, and waits until it is ready.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::run(example(name).args(["--port", "0"]).args(arguments).stdin(Stdio::null()))
    }

    /// Starts it with a listener that is open already, as a service manager does.
    pub(crate) fn start_with(listener: TcpListener, name: &str, arguments: &[&str]) -> Self {
        let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(example(name).get_program()).args(arguments);
        Self::run(command.stdin(OwnedFd::from(listener)))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the example starts");

        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut greeting = String::new();
        errors.read_line(&mut greeting).expect("a line on stderr");
        let address = greeting.trim().rsplit(' ').next().and_then(|word| word.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {greeting:?}"));
        // What it says later is shown with the output of the test.
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                eprintln!("{line}");
                // Why ignored: the test may be over.
                let _ = say.send(line);
            }
        });

        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        output.read_line(&mut first).expect("a line on stdout");
        assert_eq!(first, "ready\n", "the first line on stdout");
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            let mut rest = String::new();
            let _ = output.read_to_string(&mut rest);
            assert_eq!(rest, "", "more on stdout than \"ready\"");
            let _ = end.send(());
        });
        Self { child, greeting, address, ended, said }
    }

    /// Sends `signal` (`TERM`, `INT`) and waits for the end, at most for `limit`.
    pub(crate) fn end(self, signal: &str, limit: Duration) -> ExitStatus {
        self.end_and_say(signal, limit).0
    }

    /// The same, with the lines that it has said on stderr since it was ready.
    pub(crate) fn end_and_say(mut self, signal: &str, limit: Duration) -> (ExitStatus, Vec<String>) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {id}")]).status();
        assert!(sent.expect("a shell").success(), "cannot send {signal} to {id}");
        let ended = self.ended.recv_timeout(limit);
        assert!(ended.is_ok(), "{:?} has not ended {limit:?} after {signal}", self.greeting);
        let status = self.child.wait().expect("the status of a child");
        (status, self.said.iter().collect())
    }
}

#[cfg(target_os = "linux")]
impl Program {
    /// The most memory that it has had so far, in bytes (proc_pid_status(5)).
    pub(crate) fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.and_then(|kilobytes| kilobytes.parse::<usize>().ok()).expect("a number") * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Why ignored: it has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
