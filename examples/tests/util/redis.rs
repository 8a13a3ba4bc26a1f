//! Debian's own redis as a child process, and its tools.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;

/// Runs `name` of the package `redis-tools`, and returns what it prints.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> String {
    let output = match Command::new(name).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => panic!("{name} cannot be run, install the package `redis-tools`: {error}"),
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {arguments:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// A real server, with nothing in it and nothing on disk.
pub(crate) struct RealRedis {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl RealRedis {
    /// On a free port.
    pub(crate) fn start() -> Self {
        // Why so: it has to be told a port, and cannot be asked for one.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self::start_at(address.expect("a free port"))
    }

    /// There, where another one may have been before.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let port = address.port().to_string();
        let options = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"];
        let mut command = Command::new("redis-server");
        let command = command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("redis-server cannot be run, install the package `redis-server`: {error}"),
        };
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("Ready to accept connections") {
            let count = output.read_line(&mut said).expect("a line on stdout");
            assert!(count > 0, "redis-server has ended at once: {said}");
        }
        // What it says later is of no use, and must not fill the pipe.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Self { child, address }
    }

    /// Kills it, with nothing said to anybody.
    pub(crate) fn kill(mut self) -> SocketAddr {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        self.address
    }
}

impl Drop for RealRedis {
    fn drop(&mut self) {
        // Why ignored: it may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
