//! Versions of what is measured, as `Cargo.lock` has them.
//!
//! Printed above every comparison: a ratio to a peer says nothing without them. The lock file is taken in when this
//! program is built, so it names what was built; a table by hand would be wrong after the first update.

const LOCK: &str = include_str!("../../Cargo.lock");

/// "mio 1.2.5, polling 3.11.0" for those two names.
pub(crate) fn of(packages: &[&str]) -> String {
    let version = |name: &&str| format!("{name} {}", version(LOCK, name).unwrap_or("of an unknown version"));
    packages.iter().map(version).collect::<Vec<_>>().join(", ")
}

/// The version in the last entry of a package, the newest: peers depend on older ones of each other.
fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, entry) = lock.rsplit_once(&format!("name = \"{package}\"\nversion = \""))?;
    entry.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_stands_behind_the_name() {
        let lock = "[[package]]\nname = \"mio-more\"\nversion = \"9.0.0\"\n\n[[package]]\nname = \"mio\"\nversion = \"0.8.1\"\n\n[[package]]\nname = \"mio\"\nversion = \"1.2.5\"\n";
        assert_eq!(version(lock, "mio"), Some("1.2.5"));
        assert_eq!(version(lock, "polling"), None);
    }

    #[test]
    fn all_that_is_compared_has_one() {
        assert!(!of(&["mainspring-sys", "mio", "polling"]).contains("unknown"));
    }
}
