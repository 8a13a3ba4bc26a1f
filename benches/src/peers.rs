//! The servers that are measured beside each other, as commands.
//!
//! Ours and the hand-written loop are this program itself (`serve`). Each peer is a program of its own (`benches/peers`),
//! so that what it needs is in nothing else that is measured, and it is built when it is first wanted. All of them speak
//! as `server.rs` says.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::server::Server;

/// A server to be measured.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    /// How the tables name it.
    pub(crate) name: &'static str,
    /// Its package, none for this program.
    package: Option<&'static str>,
    arguments: &'static [&'static str],
    /// Whether it echoes on the leash too, as on several threads.
    echoes_leash: bool,
}

impl Peer {
    /// One of this program.
    pub(crate) const fn own(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, package: None, arguments, echoes_leash: false }
    }

    /// One of this program on several threads.
    pub(crate) const fn threads(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { echoes_leash: true, ..Self::own(name, arguments) }
    }

    /// One of the package `echo-NAME`.
    pub(crate) const fn other(name: &'static str, package: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, package: Some(package), arguments, echoes_leash: false }
    }

    /// Whether it is of this program.
    pub(crate) const fn is_own(&self) -> bool {
        self.package.is_none()
    }

    /// Starts it on the processors, as taskset(1) names them.
    pub(crate) fn start(&self, processors: &str) -> io::Result<Server> {
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).arg(self.path()?).args(self.arguments);
        let server = Server::start_as(command, self.name)?;
        if self.echoes_leash {
            server.await_leash()?;
        }
        Ok(server)
    }

    fn path(&self) -> io::Result<PathBuf> {
        let own = env::current_exe()?;
        Ok(self.package.map_or_else(|| own.clone(), |package| own.with_file_name(package)))
    }
}

/// Builds what these need, in the profile that is measured.
///
/// # Errors
///
/// When cargo cannot be run, or fails.
pub(crate) fn build(peers: &[Peer]) -> io::Result<()> {
    if peers.iter().all(Peer::is_own) {
        return Ok(());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet"]);
    for package in peers.iter().filter_map(|peer| peer.package) {
        build.args(["-p", package]);
    }
    eprintln!("building the peers");
    match build.status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("the peers were not built: cargo ended with {status}"))),
    }
}
