//! Child processes: waited for, talked to, and never left as zombies.
mod util;

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use mainspring::net::pipe;
use mainspring::process::{self, Child};
use mainspring::signal::{self, Kind};
use mainspring::tick::{Tick, schedule};
use mainspring::time::{sleep, timeout};
use mainspring::{Reactor, spawn};
use util::runtime::*;

fn shell(code: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", code]);
    command
}

/// One that goes on until its standard input ends.
fn reader() -> Child {
    process::spawn(Command::new("cat").stdin(Stdio::piped())).unwrap()
}

/// Whether the process is there, if only as a zombie.
fn is_there(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

/// Waits, asleep, until nothing is left of a process.
async fn gone(id: u32) {
    for _ in 0..60_000 {
        if !is_there(id) {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("process {id} is still there");
}

/// Waits until a process sleeps in a system call, or has ended.
async fn gone_to_sleep(id: u32) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        stat[stat.rfind(')').unwrap() + 2..].chars().next()
    };
    until(|| matches!(state(), Some('S' | 'Z'))).await;
}

#[test]
fn fifty_children_at_once_each_end_with_their_own_status_and_make_no_thread() {
    in_child("fifty_children_at_once_each_end_with_their_own_status_and_make_no_thread", || {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        run(async move {
            // What is made once: the pair of the signal's slot, where there is no descriptor of a process.
            process::spawn(&mut Command::new("true")).unwrap().wait().await.unwrap();
            let before = (threads(), stats().sources, open_descriptors());
            let mut waits: FuturesUnordered<_> = (0..50)
                .map(|code| async move {
                    let mut child = match code % 3 {
                        0 => process::spawn(&mut shell(&format!("exit {code}"))),
                        1 => process::spawn(&mut Command::new("true")),
                        _ => process::spawn(&mut Command::new("false")),
                    };
                    let status = child.as_mut().unwrap().wait().await.unwrap();
                    assert_eq!(child.unwrap().wait().await.unwrap(), status, "it says the same again");
                    (code, status.code().unwrap())
                })
                .collect();
            let mut ended = 0;
            while let Some((code, status)) = waits.next().await {
                assert_eq!(status, if code % 3 == 0 { code } else { code % 3 - 1 });
                ended += 1;
                assert_eq!(threads(), before.0);
            }
            assert_eq!((ended, stats().sources, stats().waits), (50, before.1, 0));
            assert_eq!(open_descriptors(), before.2);
        });
    });
}

#[test]
fn a_child_that_a_signal_has_ended_says_which() {
    run(async {
        let mut child = reader();
        assert!(is_there(child.id()));
        assert!(poll_once(child.wait()).is_pending());
        assert!(child.stdin.is_none(), "a wait closes it");
        let mut child = process::spawn(Command::new("sleep").arg("1000")).unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        child.kill().unwrap();
        let mut child = process::spawn(&mut shell("kill -TERM $$; sleep 1000")).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
    });
}

#[test]
fn a_wait_closes_the_input_and_a_try_does_not() {
    run(async {
        let mut child = reader();
        turns(2).await;
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.stdin.is_some());
        assert!(child.wait().await.unwrap().success(), "cat has come to the end of its input");
        assert!(child.try_wait().unwrap().unwrap().success());
    });
}

#[test]
fn a_dropped_wait_loses_nothing() {
    run(async {
        let mut child = reader();
        let input = child.stdin.take().unwrap();
        for _ in 0..1_000 {
            assert!(poll_once(child.wait()).is_pending());
            assert_eq!(stats().waits, 0);
            mainspring::yield_now().await;
        }
        timeout(Duration::from_millis(1), child.wait()).await.unwrap_err();
        drop(input);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_tick_waits_for_a_child() {
    run(async {
        let mut child = reader();
        let input = child.stdin.take().unwrap();
        let task = schedule(move || match child.try_wait()? {
            Some(status) if status.success() => Ok(Tick::Final),
            Some(status) => Err(std::io::Error::other(status.to_string())),
            None => Ok(Tick::WouldBlock),
        });
        turns(3).await;
        assert!(!task.is_finished());
        drop(input);
        task.await.unwrap().unwrap();
    });
}

#[test]
fn what_is_written_to_a_child_comes_back() {
    run(async {
        let mut command = Command::new("cat");
        let mut child = process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
        let input = child.stdin.take().unwrap();
        // More than two pipes hold.
        let bytes: Vec<u8> = (0..300_000_u32).map(|byte| (byte ^ byte >> 8) as u8).collect();
        let sent = bytes.clone();
        let writing = spawn(async move { input.write_all(&sent).await });
        let output = child.wait_with_output().await.unwrap();
        writing.await.unwrap().unwrap();
        assert!(output.status.success() && output.stdout == bytes && output.stderr.is_empty());
    });
}

#[test]
fn both_outputs_are_read_at_the_same_time_each_beyond_what_a_pipe_holds() {
    run(async {
        // One after the other, either order would leave the child waiting for a reader.
        let code = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; head -c 10 /dev/zero; exit 7";
        let mut command = shell(code);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = process::spawn(&mut command).unwrap().wait_with_output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (1_000_010, 1_000_000));
        assert_eq!(output.status.code(), Some(7));
        // Exactly as much as is allowed.
        let output = process::spawn(&mut command).unwrap().wait_with_output_of(1_000_010).await.unwrap();
        assert_eq!(output.stdout.len(), 1_000_010);
        let error = process::spawn(&mut command).unwrap().wait_with_output_of(1_000_009).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("1000009 bytes to its standard output"), "{error}");
    });
}

#[test]
fn no_limit_and_no_pipe_are_limits_too() {
    run(async {
        let mut command = shell("echo hello; exit 2");
        let output = process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null())).unwrap();
        let output = output.wait_with_output_of(usize::MAX).await.unwrap();
        assert_eq!((&output.stdout[..], output.status.code()), (&b"hello\n"[..], Some(2)));
        let silent = process::spawn(Command::new("true").stdout(Stdio::piped())).unwrap();
        assert!(silent.wait_with_output_of(0).await.unwrap().status.success());
        let error = process::spawn(&mut command).unwrap().wait_with_output_of(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    });
}

#[test]
fn a_child_that_was_dropped_leaves_no_zombie() {
    in_child("a_child_that_was_dropped_leaves_no_zombie", || {
        run(async {
            let before = stats();
            // One that has ended, one that is still to end, and one that is dropped while it is waited for.
            let ended = process::spawn(&mut Command::new("true")).unwrap();
            let (mut going_on, mut waited) = (reader(), reader());
            let inputs = (going_on.stdin.take(), waited.stdin.take());
            let ids = [ended.id(), going_on.id(), waited.id()];
            let waiting = spawn(async move { waited.wait().await });
            turns(2).await;
            waiting.abort();
            drop((ended, going_on));
            gone(ids[0]).await;
            assert!(is_there(ids[1]) && is_there(ids[2]), "they go on");
            drop(inputs);
            for id in ids {
                gone(id).await;
            }
            until(|| stats().sources == before.sources && stats().tasks == before.tasks).await;
            assert_eq!(stats().waits, 0);
        });
    });
}

#[test]
fn kill_on_drop_kills_and_waits_in_passing() {
    in_child("kill_on_drop_kills_and_waits_in_passing", || {
        run(async {
            let mut child = process::spawn(Command::new("sleep").arg("1000")).unwrap();
            child.kill_on_drop(true);
            let id = child.id();
            drop(child);
            gone(id).await;
        });
    });
}

#[test]
fn a_run_does_not_wait_for_a_dropped_child_and_the_next_child_takes_it_along() {
    in_child("a_run_does_not_wait_for_a_dropped_child_and_the_next_child_takes_it_along", || {
        let reactor = Reactor::new().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let task = reactor.spawn(async move {
            let mut child = reader();
            sender.send((child.id(), child.stdin.take().unwrap().into_fd().unwrap())).unwrap();
        });
        reactor.run().unwrap();
        assert!(task.is_finished());
        let (id, input) = receiver.recv().unwrap();
        assert_eq!(reactor.stats().tasks, 1, "the one that waits for it");
        drop(reactor);
        assert!(is_there(id));
        drop(input);
        run(async {
            // Until it has ended, each looks in vain.
            for _ in 0..10_000 {
                process::spawn(&mut Command::new("true")).unwrap().wait().await.unwrap();
                if !is_there(id) {
                    return;
                }
            }
            panic!("{id} is still there");
        });
    });
}

#[test]
fn a_child_that_others_have_waited_for_is_an_error_and_their_children_are_left_alone() {
    in_child("a_child_that_others_have_waited_for_is_an_error_and_their_children_are_left_alone", || {
        run(async {
            let mut theirs = shell("exit 9").spawn().unwrap();
            let mut child = process::spawn(&mut Command::new("true")).unwrap();
            assert!(child.wait().await.unwrap().success());
            drop(process::spawn(&mut Command::new("true")).unwrap());
            assert_eq!(theirs.wait().unwrap().code(), Some(9));

            let mut child = process::spawn(&mut Command::new("true")).unwrap();
            // SAFETY: the status is not asked for.
            assert!(unsafe { libc::waitpid(child.id() as i32, std::ptr::null_mut(), 0) } > 0);
            assert_eq!(child.wait().await.unwrap_err().raw_os_error(), Some(libc::ECHILD));
        });
    });
}

#[test]
fn waiting_and_listening_for_children_do_not_disturb_each_other() {
    in_child("waiting_and_listening_for_children_do_not_disturb_each_other", || {
        run(async {
            let mut heard = signal::on(Kind::CHILD);
            for _ in 0..50 {
                let mut child = process::spawn(&mut Command::new("true")).unwrap();
                child.wait().await.unwrap();
                (&mut heard).await.unwrap();
            }
        });
    });
}

#[test]
fn without_a_reactor_or_a_program_it_is_an_error() {
    let error = process::spawn(&mut Command::new("true")).unwrap_err();
    assert!(error.to_string().contains("a child process needs a reactor"), "{error}");
    run(async {
        assert_eq!(process::spawn(&mut Command::new("/no/such/program")).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn without_a_reactor_nothing_is_started() {
    // What is there to be started is not looked for.
    let error = process::spawn(&mut Command::new("/no such program")).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("reactor"), "{error}");
}

#[test]
fn a_child_that_inherits_a_pipe_waits_in_it() {
    run(async {
        let (reader, input) = pipe().unwrap();
        let (output, writer) = pipe().unwrap();
        let mut command = Command::new("cat");
        command.stdin(reader.into_blocking_fd().unwrap()).stdout(writer.into_blocking_fd().unwrap());
        let mut child = process::spawn(&mut command).unwrap();
        drop(command);
        // Asleep in its read, and later in its write: the pipe holds less.
        gone_to_sleep(child.id()).await;
        let bytes = vec![7; 1_000_000];
        let writing = spawn(async move {
            input.write_all(&bytes).await.unwrap();
        });
        let mut all = Vec::new();
        mainspring::io::read_to_end(&mut &output, &mut all, 2_000_000).await.unwrap();
        assert_eq!(all.len(), 1_000_000);
        writing.await.unwrap();
        assert!(child.wait().await.unwrap().success());
    });
}
