//! An example as a child process: started, awaited, told to end, and killed when the test is over.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::PATIENCE;

/// A server among the examples, at work.
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
    /// Starts the server `name` on a free port, and waits until it is ready.
    pub(crate) fn start(name: &str, options: &[&str]) -> Self {
        let mut command = Command::new(example(name));
        command.args(["--port", "0"]).args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
        let line = receiver.recv_timeout(PATIENCE).expect("the program says where it listens");
        let address = line.rsplit(['/', ' ']).next().and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, address, stderr: receiver, _stdout: stdout }
    }

    /// The URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A connection to it, which fails rather than hang.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it accepts");
        stream.set_nodelay(true).expect("a TCP stream has the option");
        stream.set_read_timeout(Some(PATIENCE)).expect("as has any");
        stream
    }

    /// Waits for a line on stderr that contains `part`.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("waiting for {part:?} on stderr: {error}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(status.expect("sh runs").success(), "kill -TERM");
    }

    /// Waits for its end: the status, and the last line on stderr.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut last = String::new();
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            last = line;
        }
        // Why ignored: it has ended, unless the test fails next.
        let _ = self.child.kill();
        (self.child.wait().expect("the child ends"), last)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Why ignored: it may have ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo has put the example: beside the folder of the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let path = test.ancestors().nth(2).expect("the test is in deps").join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo build -p interop --examples` builds it", path.display());
    path
}
