//! The servers that are measured beside each other, as commands.
//!
//! Each is a program of its own (`benches/peers`), so that what it needs is in nothing else that is measured, and it is
//! built when it is first wanted. They speak as `server.rs` says, but for our HTTP example and nginx, which are
//! measured as they are.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use crate::scratch::Scratch;
use crate::server::Server;

/// A server to be measured.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    /// How the tables name it.
    pub(crate) name: &'static str,
    program: Program,
    arguments: &'static [&'static str],
    /// Bytes of the buffer of a connection, the last argument; none for one that is not asked.
    buffer: Option<usize>,
}

#[derive(Clone, Copy)]
enum Program {
    /// This one.
    Own {
        /// It does so if it has several threads.
        echoes_leash: bool,
    },
    /// A package.
    Package(&'static str),
    /// One of the examples.
    Example(&'static str),
    /// One process, which answers the same text.
    Nginx,
}

impl Peer {
    /// A server of this program that echoes on the leash before it serves others.
    pub(crate) const fn own(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, program: Program::Own { echoes_leash: true }, arguments, buffer: None }
    }

    /// One that does not.
    pub(crate) const fn plain(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, program: Program::Own { echoes_leash: false }, arguments, buffer: None }
    }

    /// One of a package.
    pub(crate) const fn other(name: &'static str, package: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, program: Program::Package(package), arguments, buffer: None }
    }

    /// One of the examples, which takes a port.
    pub(crate) const fn example(name: &'static str, example: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, program: Program::Example(example), arguments, buffer: None }
    }

    /// nginx, as Debian has it.
    pub(crate) const fn nginx(name: &'static str) -> Self {
        Self { name, program: Program::Nginx, arguments: &[], buffer: None }
    }

    /// The same with buffers of so many bytes.
    pub(crate) const fn with_buffer(self, bytes: usize) -> Self {
        Self { buffer: Some(bytes), ..self }
    }

    /// Whether it is ours, or written by hand: built in a moment.
    pub(crate) fn is_light(&self) -> bool {
        matches!(
            self.program,
            Program::Own { .. }
                | Program::Example(_)
                | Program::Package("echo-mainspring" | "echo-service" | "echo-loop" | "http-loop" | "http-task")
        )
    }

    /// Starts it on the processors, as taskset(1) names them.
    pub(crate) fn start(&self, processors: &str) -> io::Result<Server> {
        let mut command = Command::new("taskset");
        command.args(["-c", processors]);
        self.start_by(command)
    }

    /// Starts it by a command that ends where the path of a program is to follow.
    pub(crate) fn start_by(&self, mut command: Command) -> io::Result<Server> {
        let own = env::current_exe()?;
        let path = match self.program {
            Program::Own { .. } => own,
            Program::Package(package) => own.with_file_name(package),
            Program::Example(example) => own.with_file_name("examples").join(example),
            Program::Nginx => PathBuf::from("nginx"),
        };
        command.arg(path).args(self.arguments).args(self.buffer.map(|bytes| bytes.to_string()));
        match self.program {
            Program::Own { echoes_leash: true } => {
                let server = Server::start_as(command, self.name)?;
                server.await_leash()?;
                Ok(server)
            }
            Program::Own { .. } | Program::Package(_) => Server::start_as(command, self.name),
            Program::Example(_) => {
                let address = free_address()?;
                command.args(["--port", &address.port().to_string()]);
                Server::start_at(command, self.name, address, Vec::new())
            }
            Program::Nginx => {
                let address = free_address()?;
                let (settings, process) = (Scratch::new("nginx"), Scratch::new("nginx-pid"));
                fs::write(settings.path(), nginx_settings(address, &process))?;
                command.arg("-c").arg(settings.path());
                Server::start_at(command, self.name, address, vec![settings, process])
            }
        }
    }
}

/// An address that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// One process; without a log, and without the limit to the requests of a connection, which nobody else has.
fn nginx_settings(address: SocketAddr, process: &Scratch) -> String {
    format!(
        "daemon off; master_process off; pid {}; error_log stderr crit;
        worker_rlimit_nofile 20000;
        events {{ worker_connections 16000; }}
        http {{
            access_log off; keepalive_requests 1000000000; default_type text/plain;
            server {{ listen {address} backlog=4096; location / {{ return 200 'Hello, World!'; }} }}
        }}",
        process.path().display()
    )
}

/// What is built if anything is that takes long. All of it, since cargo unites the features of what is built together:
/// the same servers would be built again for each command that wants others.
#[rustfmt::skip]
const ALL: [&str; 24] = [
    "-p", "echo-loop", "-p", "http-loop", "-p", "echo-mainspring", "-p", "echo-service", "-p", "echo-may", "-p", "echo-mio",
    "-p", "echo-monoio", "-p", "echo-smol", "-p", "echo-tokio", "-p", "http-hyper", "-p", "examples", "--bins",
    "--example=http",
];

/// What is built otherwise.
#[rustfmt::skip]
const LIGHT: [&str; 12] = [
    "-p", "echo-loop", "-p", "http-loop", "-p", "echo-mainspring", "-p", "echo-service", "-p", "examples", "--bins",
    "--example=http",
];

/// Builds what these need, in the profile that is measured.
///
/// # Errors
///
/// When cargo cannot be run, or fails.
pub(crate) fn build(peers: &[Peer]) -> io::Result<()> {
    if peers.iter().all(|peer| matches!(peer.program, Program::Own { .. })) {
        return Ok(());
    }
    eprintln!("building the servers");
    let wanted = if peers.iter().all(Peer::is_light) { &LIGHT[..] } else { &ALL[..] };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    match Command::new(cargo).args(["build", "--release", "--quiet"]).args(wanted).status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("the servers were not built: cargo ended with {status}"))),
    }
}
