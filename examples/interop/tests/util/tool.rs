//! Programs of others that talk to an example.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where a test may put a file of this name, which no other test uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs `command`, which `package` of Debian brings.
pub(crate) fn output(command: &mut Command, package: &str) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| panic!("{name} cannot be run, install the package `{package}`: {error}"))
}

/// Runs it and returns what it prints; a failure shows all of it.
pub(crate) fn run(command: &mut Command, package: &str) -> String {
    let output = output(command, package);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// What curl prints. It gives up after 20 s.
pub(crate) fn curl(arguments: &[&str]) -> String {
    run(Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments), "curl")
}
