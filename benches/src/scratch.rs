//! A file for what a tool writes, gone when it has been read.
//!
//! strace and callgrind write their results to a file: the standard output belongs to the server, which says there
//! where it listens, and the standard error to the user. The names are this process's own, so that two runs at the same
//! time, as in a continuous build, do not read each other's.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, process};

/// A path in the directory for temporary files that no other run of this program has. Dropping it removes the file.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(tool: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("mainspring-benches-{tool}-{}-{count}", process::id())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What the tool has written.
    pub(crate) fn read(&self) -> io::Result<String> {
        fs::read_to_string(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Why ignored: a tool that failed has written nothing.
        let _ = fs::remove_file(&self.0);
    }
}
