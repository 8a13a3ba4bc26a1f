//! Debian's own nginx as a child process, which says its name in answer to everything.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::program::PATIENCE;

/// How long a body is, its name included.
pub(crate) const BODY: usize = 1_000;

/// Bytes a second of one that is slow: an answer takes two seconds.
const SLOW: usize = 600;

/// One of several servers.
pub(crate) struct Nginx {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it says.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Nginx {
    /// One called `name`, in a folder of its own below that of the test, on a free port.
    pub(crate) fn start(test: &str, name: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self::start_at(address.expect("a free port"), folder, name)
    }

    fn start_at(address: SocketAddr, folder: PathBuf, name: &str) -> Self {
        configure(&folder, address, name, 0);
        let mut command = Command::new("nginx");
        let command = command.args(["-e", "stderr", "-p"]).arg(&folder).args(["-c", "nginx.conf"]).stdin(Stdio::null());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("nginx cannot be run, install the package `nginx-light`: {error}"),
        };
        let mut this = Self { child, address, name: name.to_owned(), folder };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = this.child.try_wait().expect("the status of a child");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "nginx does not listen: {ended:?}");
            thread::sleep(Duration::from_millis(5));
        }
        this
    }

    /// Kills it and its worker, with nothing said to anybody.
    pub(crate) fn kill(&mut self) {
        let id = self.child.id();
        let workers = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let killed = Command::new("sh").args(["-c", &format!("kill -KILL {id} {workers}")]).status();
        assert!(killed.is_ok_and(|status| status.success()), "nginx cannot be killed");
        self.child.wait().expect("it ends");
        // Its workers end by themselves, and until then their listener takes connections that nobody serves.
        let start = Instant::now();
        while TcpStream::connect(self.address).is_ok() {
            assert!(start.elapsed() < PATIENCE, "nginx listens although it was killed");
            thread::yield_now();
        }
    }

    /// Starts it again, at the same address.
    pub(crate) fn restart(&mut self) {
        let again = Self::start_at(self.address, self.folder.clone(), &self.name);
        // What is dropped is the one that was killed.
        *self = again;
    }

    /// Makes it slow, by its own reload, and waits until it is.
    pub(crate) fn slow_down(&self) {
        configure(&self.folder, self.address, &self.name, SLOW);
        let told = Command::new("sh").args(["-c", &format!("kill -HUP {}", self.child.id())]).status();
        assert!(told.is_ok_and(|status| status.success()), "nginx cannot be told");
        let start = Instant::now();
        loop {
            let asked = Instant::now();
            let mut stream = TcpStream::connect(self.address).expect("it listens");
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("room");
            stream.read_to_end(&mut Vec::new()).expect("an answer");
            if asked.elapsed() > Duration::from_millis(500) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "nginx is as fast as before");
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Why the check: the number of one that was killed, and has been waited for, may be another's by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// Writes its configuration. A rate of zero is none.
fn configure(folder: &Path, address: SocketAddr, name: &str, rate: usize) {
    let text = format!(
        "daemon off; worker_processes 1; pid nginx.pid;
        events {{ worker_connections 256; }}
        http {{
            access_log off; keepalive_requests 500;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            server {{ listen {address}; location / {{ limit_rate {rate}; return 200 \"{name:-<BODY$}\"; }} }}
        }}"
    );
    fs::write(folder.join("nginx.conf"), text).expect("the configuration is written");
}
