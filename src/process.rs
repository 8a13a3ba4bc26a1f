//! Child processes: what std's [`Command`] spawns, waited for and talked to by tasks.
//!
//! [`spawn`] starts a command, or [`Child::new`] takes over what was started already. No thread is made: on Linux a
//! child is a descriptor that becomes readable when it ends, pidfd_open(2), and elsewhere, or where that is forbidden,
//! the signal [`CHILD`](crate::signal::Kind::CHILD) says when to look. Each child is waited for by its own number, so
//! that other parts of the program may have children of their own.
//!
//! A child that is dropped before it was waited for goes on, and its reactor waits for it in passing, so that no zombie
//! stays. [`Child::kill_on_drop`] ends it instead.
//!
//! How a child is started stays std's: arguments, environment, `Stdio` and `pre_exec` are its own large matter, which
//! has nothing to do with waiting.

mod child;
mod orphan;
mod output;
mod watch;

use std::io;
use std::process::Command;

pub use child::{Child, Wait};

use crate::core::Core;

/// Starts `command`. Its pipes, made by [`Stdio::piped`](std::process::Stdio::piped), are the fields of what is
/// returned. To give it an end of a pipe that stands already, see
/// [`PipeReader::into_blocking_fd`](crate::net::PipeReader::into_blocking_fd).
///
/// # Errors
///
/// Those of [`Command::spawn`] and of [`Child::new`]; when no reactor is running on this thread nothing is started. The
/// call blocks as std's does, until the child runs its program.
///
/// ```
/// use std::process::{Command, Stdio};
/// use mainspring::process;
///
/// mainspring::run(async {
///     let mut child = process::spawn(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()))?;
///     let input = child.stdin.take().unwrap();
///     input.write_all(b"hello").await?;
///     drop(input); // the end, for `cat`
///     let output = child.wait_with_output().await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    Core::running("a child process")?;
    Child::new(command.spawn()?)
}
