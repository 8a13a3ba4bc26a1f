//! A certificate for `localhost`, made by the system's openssl once for each test file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::tool;

/// The certificate, which is its own authority, and its key.
pub(crate) static LOCALHOST: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| make("localhost"));

/// Another one, which nobody trusts.
pub(crate) static STRANGER: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| make("stranger"));

fn make(name: &str) -> (PathBuf, PathBuf) {
    // Test files run at the same time.
    let file = |end: &str| tool::scratch(&format!("{name}-{}.{end}", std::process::id()));
    let (certificate, key) = (file("pem"), file("key"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    tool::run(&mut command, "openssl");
    (certificate, key)
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder has a name in UTF-8")
}
