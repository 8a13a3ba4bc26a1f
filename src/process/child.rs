//! A child process that belongs to a reactor.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::{self, ExitStatus, Output};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::orphan;
use super::output::{self, OUTPUT_MAX};
use super::watch::Watch;
use crate::core::Core;
use crate::forked;
use crate::net::{PipeReader, PipeWriter};

/// A child process, belonging to the reactor on whose thread this was made.
///
/// Dropping it closes the pipes that were not taken, and leaves the process running: the reactor waits for it in
/// passing, by a task that counts among [`Stats::tasks`](crate::Stats::tasks) but keeps no
/// [`Reactor::run`](crate::Reactor::run) from ending. What has not ended when the reactor does is waited for by
/// whatever makes or drops a child next.
///
/// ```
/// use std::process::Command;
/// use mainspring::process;
///
/// mainspring::run(async {
///     let mut child = process::spawn(Command::new("sh").args(["-c", "exit 3"]))?;
///     assert_eq!(child.wait().await?.code(), Some(3));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct Child {
    /// What the child reads, if it was [piped](std::process::Stdio::piped) and not taken.
    pub stdin: Option<PipeWriter>,
    /// What the child writes, if it was piped and not taken.
    pub stdout: Option<PipeReader>,
    /// What the child complains about, if it was piped and not taken.
    pub stderr: Option<PipeReader>,
    /// None while it is dropped.
    running: Option<Running>,
    /// Whether to kill it then.
    kill_on_drop: bool,
}

/// The process.
struct Running {
    core: Rc<Core>,
    child: process::Child,
    /// How its end is heard.
    watch: Watch,
    /// Its end, once `try_wait` has told it: progress once, so that a tick which asks again comes to rest.
    told: Option<ExitStatus>,
}

impl Child {
    /// Takes over a child that std has started, with its pipes.
    ///
    /// # Errors
    ///
    /// When no reactor is running on this thread, or the process is out of descriptors. The child goes on then, and is
    /// waited for in passing, as one that is dropped.
    pub fn new(mut child: process::Child) -> io::Result<Self> {
        orphan::sweep();
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let watched = Core::running("a child process").and_then(|core| Ok((Watch::new(&core, &child)?, core)));
        let (watch, core) = match watched {
            Ok(watched) => watched,
            Err(error) => {
                orphan::leave(child);
                return Err(error);
            }
        };
        let running = Some(Running { core, child, watch, told: None });
        // From here on a failure drops it, as its owner would.
        let mut this = Self { stdin: None, stdout: None, stderr: None, running, kill_on_drop: false };
        this.stdin = stdin.map(PipeWriter::from_fd).transpose()?;
        this.stdout = stdout.map(PipeReader::from_fd).transpose()?;
        this.stderr = stderr.map(PipeReader::from_fd).transpose()?;
        Ok(this)
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("taken by drop alone")
    }

    /// The number of the process. Another may have it once the child was waited for.
    pub fn id(&self) -> u32 {
        self.running.as_ref().map_or(0, |running| running.child.id())
    }

    /// Ends the process, by `SIGKILL`. It is still to be waited for. No effect on one that was.
    ///
    /// # Errors
    ///
    /// kill(2): `PermissionDenied` for one that runs as somebody else.
    pub fn kill(&mut self) -> io::Result<()> {
        let Running { core, child, .. } = self.running();
        // Whoever has the number is no child of this process.
        if core.is_forked() { Err(forked::error()) } else { child.kill() }
    }

    /// Whether dropping this kills the process, if it was not waited for. Off at first.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) {
        self.kill_on_drop = kill_on_drop;
    }

    /// Waits for the process to end, and says how it did. `stdin` is closed first if it was not taken, as std does, so
    /// that a child that reads to the end of it does end. Called again, it says the same again.
    ///
    /// What the child writes is not read meanwhile: one that fills a pipe waits for its reader. See
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    ///
    /// `ECHILD` when somebody else has waited for it, or the process ignores `SIGCHLD`; `NotConnected` when the reactor
    /// has ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn wait(&mut self) -> Wait<'_> {
        drop(self.stdin.take());
        Wait { running: self.running(), owner: 0 }
    }

    /// A try of [`wait`](Self::wait), but that `stdin` is left open: `None` is "not yet". After one the
    /// child is looked at again once the reactor has heard of its end, so a loop that never gives way sees no other.
    ///
    /// # Errors
    ///
    /// As `wait`.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let Running { child, watch, told, .. } = self.running();
        if told.is_none() {
            *told = watch.try_now(child)?;
        }
        Ok(*told)
    }

    /// Reads all that the process writes to those of its outputs that are piped and were not taken, both at the same
    /// time, and waits for its end: at most 16 MiB of each.
    ///
    /// # Errors
    ///
    /// As [`wait_with_output_of`](Self::wait_with_output_of).
    ///
    /// # Cancel safety
    ///
    /// None: what was read is lost, and the child dropped.
    pub async fn wait_with_output(self) -> io::Result<Output> {
        self.wait_with_output_of(OUTPUT_MAX).await
    }

    /// As [`wait_with_output`](Self::wait_with_output), with at most `bytes_max` bytes of each output.
    ///
    /// It ends when the process has, and everybody else to whom it has passed its outputs on.
    ///
    /// # Errors
    ///
    /// `FileTooLarge` when the process writes more; it is dropped then. Those of reading a pipe, and of
    /// [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// None: what was read is lost, and the child dropped.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::process::{Command, Stdio};
    /// use mainspring::process;
    ///
    /// mainspring::run(async {
    ///     let mut child = process::spawn(Command::new("yes").stdout(Stdio::piped()))?;
    ///     child.kill_on_drop(true);
    ///     assert_eq!(child.wait_with_output_of(1_000_000).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn wait_with_output_of(mut self, bytes_max: usize) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = output::both(
            output::read(self.stdout.take(), "standard output", bytes_max),
            output::read(self.stderr.take(), "standard error", bytes_max),
        )
        .await?;
        Ok(Output { status: self.wait().await?, stdout, stderr })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(Running { core, mut child, watch, .. }) = self.running.take() {
            if self.kill_on_drop && !core.is_forked() {
                // Why ignored: there is nobody to tell, and the child is waited for all the same.
                let _ = child.kill();
            }
            orphan::adopt(core, child, watch);
        }
        orphan::sweep();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("kill_on_drop", &self.kill_on_drop)
            .finish()
    }
}

/// The future of [`Child::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct Wait<'a> {
    running: &'a mut Running,
    /// The owner id of the wait that is going on; 0 for none.
    owner: u64,
}

impl Future for Wait<'_> {
    type Output = io::Result<ExitStatus>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let Self { running, owner } = &mut *self;
        running.watch.poll(owner, cx, &mut running.child)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.running.watch.end(&mut self.owner);
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("id", &self.running.child.id()).finish()
    }
}
