//! A server as a child process, usually of this program and under a tool.
//!
//! Held by the commands for one run. The leash, its first connection, is held here: letting it go ends the server, and
//! so does the end of this process. A server that does not end then is killed, after a bounded wait. One that knows of
//! no leash, since it was not written to be measured, is killed at once.
//!
//! A thread of this process as the server was turned down: the tools would count the client with it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::scratch::Scratch;
use crate::serve::{Served, Threads};
use crate::style::Style;

/// How long a server may take to end. Under callgrind it writes its profile then.
const END_MAX: Duration = Duration::from_secs(60);

/// How long a server without a leash may take to listen.
const START_MAX: Duration = Duration::from_secs(10);

/// Between two looks at whether it has ended, or listens.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A server that is running.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its first connection; none once it has been let go, and for a server that knows of none.
    leash: Option<TcpStream>,
    /// What it was told in files, removed with it.
    _files: Vec<Scratch>,
}

impl Server {
    /// Starts a server by `tool`, a command that ends with the path of this program.
    pub(crate) fn start(tool: Command, Served { style, threads }: Served) -> io::Result<Self> {
        let mut options = Vec::new();
        if let Some(Threads { count, way }) = threads {
            options.extend(["--threads".into(), count.to_string(), "--sharing".into(), way.to_string()]);
        }
        let server = Self::run(tool, "serve", style, &options)?;
        if threads.is_some() {
            server.await_leash()?;
        }
        Ok(server)
    }

    /// Waits until the leash is served, by a server that echoes on it: on several threads the connection that is
    /// accepted first need not be the first to be served.
    pub(crate) fn await_leash(&self) -> io::Result<()> {
        let Some(mut leash) = self.leash.as_ref() else { return Ok(()) };
        leash.write_all(b"x")?;
        leash.read_exact(&mut [0])
    }

    /// The same for one that holds connections open to its end, each with a deadline for the next read if so wanted.
    pub(crate) fn hold(tool: Command, style: Style, deadlines: bool) -> io::Result<Self> {
        let options: &[String] = if deadlines { &["--deadlines".into()] } else { &[] };
        Self::run(tool, "hold", style, options)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn run(mut tool: Command, command: &str, style: Style, options: &[String]) -> io::Result<Self> {
        tool.args([command, style.name()]).args(options);
        Self::start_as(tool, style.name())
    }

    /// Starts a server by a command that is complete; the name is for errors.
    pub(crate) fn start_as(mut command: Command, name: &str) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        match Self::leash(&mut child) {
            Ok((address, leash)) => Ok(Self { child, address, leash: Some(leash), _files: Vec::new() }),
            Err(error) => {
                // Why ignored: the error that is returned is the one that matters.
                let _ = child.kill().and_then(|()| child.wait());
                Err(io::Error::new(error.kind(), format!("the server {name} did not start: {error}")))
            }
        }
    }

    /// Starts a server that knows of no leash, and waits until it listens at the address.
    pub(crate) fn start_at(
        mut command: Command,
        name: &str,
        address: SocketAddr,
        files: Vec<Scratch>,
    ) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { child, address, leash: None, _files: files };
        let deadline = Instant::now() + START_MAX;
        while let Err(error) = TcpStream::connect(address) {
            let ended = server.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                return Err(io::Error::new(
                    error.kind(),
                    format!("the server {name} did not start: {error}, {ended:?}"),
                ));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    /// Waits for the port, and connects to it.
    fn leash(child: &mut Child) -> io::Result<(SocketAddr, TcpStream)> {
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        let port: u16 = port.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("it said {line:?} instead of \"ready PORT\""))
        })?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok((address, TcpStream::connect(address)?))
    }

    /// Lets it go, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it ends with a status other than 0, or does not end.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.leash.take().is_none() {
            return Ok(());
        }
        self.await_end()
    }

    fn await_end(mut self) -> io::Result<()> {
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                None => thread::sleep(LOOK_EVERY),
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(io::Error::other(format!("the server ended with {status}"))),
            }
        }
        self.child.kill()?;
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server did not end with its leash, and was killed"))
    }

    /// Asks it to end, if it has no leash, and waits for its end: a tool that counts writes what it has counted then.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end), and when kill(1) fails.
    pub(crate) fn terminate(self) -> io::Result<()> {
        if self.leash.is_some() {
            return self.end();
        }
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status()?;
        if !asked.success() {
            return Err(io::Error::other(format!("the server was not asked to end: kill ended with {asked}")));
        }
        self.await_end()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leash = None;
        // Why ignored: it has ended already, or is to end whatever it says.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Whether `tool` can be run.
pub(crate) fn is_installed(tool: &str) -> bool {
    // Why two ways of asking: nginx and wrk know only the second, and wrk fails with it.
    let runs = |option: &str| Command::new(tool).arg(option).output();
    runs("--version").is_ok_and(|output| output.status.success()) || runs("-v").is_ok()
}
