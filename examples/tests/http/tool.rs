//! The programs that ask the service: curl and wrk, and files for them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a test may put a file of this name, which no other test uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs `name`, the package of which has the same name, and returns what it prints.
pub(crate) fn run(name: &str, arguments: &[&str]) -> String {
    let output = match Command::new(name).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("{name} cannot be run, install the package `{name}`: {error}"),
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {arguments:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}
