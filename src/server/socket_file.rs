//! The file of a Unix socket, which is removed with the server that has made it.
//!
//! bind(2) makes a file and close(2) leaves it, so that the next bind to the path fails. A server removes it when it
//! begins to drain, before it accepts what is queued for the last time: whoever connected is served, whoever comes
//! later finds nothing, and a successor can bind. It is also removed with a listener that closes otherwise
//! ([`Bound`](super::bound::Bound)).
//!
//! No system call binds and says what it has made, so device and inode are read right after bind(2) and before
//! listen(2): whoever puts something else at the path in between has it taken for the server's own. What fails from then
//! on removes the file, since otherwise no later start could bind.
//!
//! Guarantees: it is removed once, by the process that made it, and only while the path is that socket, by device and
//! inode; the kernel keeps the inode for as long as the socket is open, so nobody else has the number. Between the look
//! and the removal somebody may still replace it: no system call does both.
//!
//! A stale file, of a server that was killed, is not removed at a bind. To find out whether it is stale means to
//! connect, which the server there would take for a client, and two that start at once would remove each other's.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Once;

/// The file of a socket that this process has bound.
#[derive(Debug)]
pub(super) struct SocketFile {
    /// From the root, since the working directory may change.
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
    /// The process that made it, and not a child of it.
    process: u32,
    /// Who is second waits until the first has removed it.
    removal: Once,
}

impl SocketFile {
    /// The file that was just made, by its path from the root. If it cannot be known again it is removed.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&path).inspect_err(|_| {
            // Why ignored: the error of the look is told, and what is left is found by the next bind.
            let _ = fs::remove_file(&path);
        })?;
        Ok(Self { path, identity, process: process::id(), removal: Once::new() })
    }

    /// Removes it, unless that was done, or something else is there.
    pub(super) fn remove(&self) {
        // Why before the wait: a child whose parent was removing it when it forked would wait for ever.
        if self.process != process::id() {
            return;
        }
        self.removal.call_once(|| {
            if identity(&self.path).is_ok_and(|found| found == self.identity) {
                // Why ignored: there is nobody to tell, and what is left is found by the next bind.
                let _ = fs::remove_file(&self.path);
            }
        });
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
