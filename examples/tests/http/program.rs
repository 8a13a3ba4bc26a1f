//! The service as a child process, which ends with its test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that should happen at once, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What an idle service ends within: less than the ten seconds for which it waits for what is in flight.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(8);

/// A service that accepts connections.
pub(crate) struct Program {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it says on stderr, line by line. Its end is that of the process.
    stderr: Receiver<String>,
    /// Kept open, so that nothing the program does can fail for want of a reader.
    _stdout: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it on a free port.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::run(Command::new(path()).args(["--port", "0"]).args(options))
    }

    /// Starts it as a shell starts a background job: with Ctrl-C ignored.
    pub(crate) fn start_ignoring_ctrl_c(options: &[&str]) -> Self {
        let script = "trap '' INT; exec \"$@\"";
        Self::run(Command::new("sh").args(["-c", script, "sh"]).arg(path()).args(["--port", "0"]).args(options))
    }

    fn run(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Why ignored: a test that has heard enough is gone.
                let _ = sender.send(line);
            }
        });
        let mut first = String::new();
        stdout.read_line(&mut first).expect("stdout can be read");
        assert_eq!(first, "ready\n", "the first line on stdout");
        let line = receiver.recv_timeout(SOON).expect("the program says where it listens");
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, address, stderr: receiver, _stdout: stdout }
    }

    /// The URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a signal, `TERM` or `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(status.expect("sh runs").success(), "kill -{name}");
    }

    /// Waits for a line on stderr that begins with `start`.
    pub(crate) fn wait_for(&self, start: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(SOON);
            let line = line.unwrap_or_else(|error| panic!("waiting for {start:?} on stderr: {error}"));
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Waits for its end: the status, the last line on stderr, and how long it took.
    pub(crate) fn end(mut self) -> (ExitStatus, String, Duration) {
        let start = Instant::now();
        let mut last = String::new();
        while let Ok(line) = self.stderr.recv_timeout(SOON) {
            last = line;
        }
        let took = start.elapsed();
        if took >= SOON {
            self.child.kill().expect("the child can be killed");
        }
        let status = self.child.wait().expect("the child ends");
        (status, last, took)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Why ignored: it may have ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo has put the program: beside the folder of the tests.
pub(crate) fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let profile = test.ancestors().nth(2).expect("the test is in deps");
    let path = profile.join("examples/http");
    assert!(path.exists(), "{} is missing: `cargo build -p examples --examples` builds it", path.display());
    path
}
