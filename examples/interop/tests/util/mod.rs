//! What tests of several examples share: the example as a child process, and other programs that talk to it.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod browser;
pub(crate) mod certificate;
pub(crate) mod program;
pub(crate) mod tool;

use std::future::Future;
use std::time::Duration;

/// How long a test waits for anything; only a failure takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `test` on a reactor. A wake-up that is lost is a failure, and no hang.
pub(crate) fn soon<T>(test: impl Future<Output = T>) -> T {
    mainspring::run(mainspring::time::timeout(PATIENCE, test)).unwrap().expect("it ends")
}
