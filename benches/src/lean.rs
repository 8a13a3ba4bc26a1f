//! What an echo server brings with it: crates, time to build, size, and how much of it is `unsafe`.
//!
//! Each server is a package of its own, and each is built alone from nothing in a folder for it, in the default release
//! profile with the symbols stripped; so nobody is charged for what another one needs, and each asks for the features
//! that an echo needs, as whoever embeds it would. What is downloaded is downloaded before. Lines of `unsafe` are those
//! of the sources of the whole tree in which the word stands outside a comment, whatever system they are for; those of
//! `libc` are left out, since all of them have it, and it declares and does nothing.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::report::Report;
use crate::scratch::Scratch;
use crate::table::Table;
use crate::verdict::Verdict;
use crate::versions;

/// Names, packages, and features beyond those that the package asks for. Ours first, then the floor.
const PEERS: [(&str, &str, &str); 8] = [
    ("mainspring", "echo-mainspring", ""),
    ("hand-written loop", "echo-loop", ""),
    ("mainspring, with the feature `service`", "echo-mainspring", "mainspring/service"),
    ("mio", "echo-mio", ""),
    ("tokio", "echo-tokio", ""),
    ("smol", "echo-smol", ""),
    ("may", "echo-may", ""),
    ("monoio", "echo-monoio", ""),
];

/// The most crates from the registry in our tree, and KiB above the hand-written loop.
const CRATES: f64 = 4.0;
const KIBIBYTES: f64 = 60.0;

/// How often each is built, for figures that are published.
pub(crate) const BUILDS: usize = 2;

/// What one server brings with it.
struct Lean {
    crates: usize,
    seconds: f64,
    kibibytes: f64,
    unsafe_lines: usize,
}

/// Builds each so many times, and prints the table.
///
/// # Errors
///
/// When cargo cannot be run, or fails.
pub(crate) fn run(builds: usize, verdict: &mut Verdict, report: &mut Report) -> io::Result<()> {
    println!("{}\n", versions::of(&["mainspring", "mio", "tokio", "async-io", "may", "monoio"]));
    let mut found = Vec::new();
    for (name, package, features) in PEERS {
        eprintln!("lean: {name}");
        found.push((name, measure(package, features, builds)?));
    }
    let floor = found[1].1.kibibytes;
    let mut table = Table::new([
        "echo server",
        "crates from the registry",
        "clean release build, s",
        "stripped, KiB",
        "above the loop",
        "lines of `unsafe`, without libc",
    ]);
    for (name, lean) in &found {
        table.row([
            (*name).to_owned(),
            lean.crates.to_string(),
            format!("{:.1}", lean.seconds),
            format!("{:.0}", lean.kibibytes),
            format!("{:+.0}", lean.kibibytes - floor),
            lean.unsafe_lines.to_string(),
        ]);
        report.count("Lean: crates from the registry", name, "echo", lean.crates as f64);
        report.count("Lean: clean release build, s", name, "echo", lean.seconds);
        report.count("Lean: stripped, KiB", name, "echo", lean.kibibytes);
        report.count("Lean: lines of unsafe", name, "echo", lean.unsafe_lines as f64);
    }
    println!("An echo server alone; the best of {builds} builds on two processors\n\n{table}");
    let ours = &found[0].1;
    verdict.at_most("crates from the registry", ours.crates as f64, CRATES);
    verdict.at_most("KiB above the hand-written loop", ours.kibibytes - floor, KIBIBYTES);
    Ok(())
}

fn measure(package: &str, features: &str, builds: usize) -> io::Result<Lean> {
    let tree = tree(package)?;
    let mut seconds = f64::INFINITY;
    let mut bytes = 0;
    for _ in 0..builds.max(1) {
        let target = Folder(Scratch::new(package).path().to_owned());
        let start = Instant::now();
        let mut build = cargo(&["build", "--release", "--quiet", "-j2", "-p", package, "--target-dir"]);
        build.arg(&target.0).args(["--features", features]).env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
        succeeded(&mut build)?;
        seconds = start.elapsed().as_secs_f64().min(seconds);
        bytes = fs::metadata(target.0.join("release").join(package))?.len();
    }
    Ok(Lean {
        crates: tree.iter().filter(|krate| krate.is_of_the_registry).count(),
        seconds,
        kibibytes: bytes as f64 / 1024.0,
        unsafe_lines: tree.iter().filter(|krate| krate.name != "libc").map(|krate| unsafe_lines(&krate.sources)).sum(),
    })
}

/// A crate that is built for a server.
struct Krate {
    name: String,
    is_of_the_registry: bool,
    sources: PathBuf,
}

/// All that is built for a package on this system, itself left out.
fn tree(package: &str) -> io::Result<Vec<Krate>> {
    let lines = succeeded(&mut cargo(&["tree", "-p", package, "-e", "normal,build", "--prefix", "none"]))?;
    // "mio v1.2.5", then perhaps a folder, and a mark for what has been listed before.
    let listed: BTreeSet<(&str, &str)> = lines
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let text = succeeded(&mut cargo(&["metadata", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let krate = |(name, version): (&str, &str)| {
        let it = packages.iter().find(|package| package["name"] == name && package["version"] == version);
        let manifest = it.and_then(|it| Path::new(it["manifest_path"].as_str()?).parent());
        let sources = manifest.ok_or_else(|| io::Error::other(format!("cargo knows of no {name} {version}")))?;
        let is_of_the_registry = it.is_some_and(|it| it["source"].is_string());
        Ok(Krate { name: name.to_owned(), is_of_the_registry, sources: sources.join("src") })
    };
    listed.into_iter().map(krate).collect()
}

/// Lines below a folder in which the word stands outside a comment.
fn unsafe_lines(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let lines = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return unsafe_lines(&path);
        }
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        let text = if is_source { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        text.lines().filter(|line| is_unsafe(line)).count()
    });
    lines.sum()
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == "unsafe")
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.args(arguments);
    cargo
}

/// What a command prints.
fn succeeded(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?} ended with {}: {said}", output.status)))
}

/// Removed with all that is in it when it is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Why ignored: a build that failed at once has made none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::is_unsafe;

    #[test]
    fn a_word_in_a_comment_is_not_code() {
        assert!(is_unsafe("    let event = unsafe { poll() }; // fast"));
        assert!(is_unsafe("pub unsafe fn poll() {"));
        assert!(!is_unsafe("// this is not unsafe"));
        assert!(!is_unsafe("#![deny(unsafe_code)]"));
    }
}
