//! Listeners that a process is started with, and a server that restarts while clients keep connecting.
#![cfg(feature = "service")]
mod util;

use mainspring::Server;
use mainspring::net::{Inherited, InheritedListener, inherited_listeners};
use mainspring::server::{Connection, Sharing};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use util::folder::Folder;
use util::runtime::Limit;

/// Set in the process that is started with listeners, to what it is to do.
const ROLE: &str = "MAINSPRING_INHERITS";

/// Longer than anything takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The test `name` of this binary again, as a process that has `descriptors` from 3 on, in the `role`. The words before
/// it set variables; `$$` is the id of the process.
fn inheriting(name: &str, role: &str, variables: &str, descriptors: [OwnedFd; 2]) -> Command {
    let script = format!("exec 3<&0 4<&1 0</dev/null 1>&2; {variables} exec \"$@\"");
    let [first, second] = descriptors;
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(ROLE, role).stdin(first).stdout(second);
    command
}

/// Runs it to its end: what it printed, if it has succeeded.
fn output(mut command: Command) -> String {
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    // What it was given is in its hands alone.
    drop(command);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
    text
}

fn is_close_on_exec(listener: &impl AsFd) -> bool {
    // SAFETY: F_GETFD only looks.
    unsafe { libc::fcntl(listener.as_fd().as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}

#[test]
fn a_process_takes_the_listeners_that_it_was_started_with_once() {
    const NAME: &str = "a_process_takes_the_listeners_that_it_was_started_with_once";
    let _limit = Limit::new();
    let Ok(role) = std::env::var(ROLE) else {
        assert!(inherited_listeners().unwrap().is_empty(), "the tests were not started with any");
        let folder = Folder::new();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(folder.join("socket")).unwrap();
        let (_stream, plain) = UnixStream::pair().unwrap();
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = || OwnedFd::from(tcp.try_clone().unwrap());
        for names in ["", "LISTEN_FDNAMES=web:control"] {
            let variables = format!("LISTEN_PID=$$ LISTEN_FDS=2 {names}");
            output(inheriting(NAME, names, &variables, [tcp(), unix.try_clone().unwrap().into()]));
        }
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        for (variables, second, expected) in [
            ("LISTEN_PID=1 LISTEN_FDS=2", tcp(), "none"),
            ("LISTEN_FDS=2", tcp(), "none"),
            ("LISTEN_PID=$$", tcp(), "none"),
            ("LISTEN_PID=$$ LISTEN_FDS=some", tcp(), "LISTEN_FDS is \"some\", and not a number up to 4096"),
            ("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a", tcp(), "LISTEN_FDNAMES has 1 names for 2 descriptors"),
            ("exec 4<&-; LISTEN_PID=$$ LISTEN_FDS=2", tcp(), "descriptor 4 (unknown) of LISTEN_FDS: it is not open"),
            ("LISTEN_PID=$$ LISTEN_FDS=2", null(), "descriptor 4 (unknown) of LISTEN_FDS: it is no socket"),
            ("LISTEN_PID=$$ LISTEN_FDS=2", datagram.into(), "of LISTEN_FDS: it is no stream socket"),
            ("LISTEN_PID=$$ LISTEN_FDS=2", plain.into(), "of LISTEN_FDS: it does not listen"),
        ] {
            output(inheriting(NAME, expected, variables, [tcp(), second]));
        }
        return;
    };
    let taken = match inherited_listeners() {
        Ok(taken) if role == "none" => return assert!(taken.is_empty()),
        Err(error) => {
            assert!(!role.is_empty() && error.to_string().ends_with(&role), "{error}");
            // SAFETY: it is open, and nobody else in this process has it.
            let first = unsafe { BorrowedFd::borrow_raw(3) };
            assert!(!is_close_on_exec(&first), "nothing was changed");
            return;
        }
        Ok(taken) => taken,
    };
    let [first, second] = <[Inherited; 2]>::try_from(taken).unwrap();
    let expected = if role.is_empty() { ["unknown", "unknown"] } else { ["web", "control"] };
    assert_eq!([&*first.name, &*second.name], expected);
    let (InheritedListener::Tcp(tcp), InheritedListener::Unix(unix)) = (first.listener, second.listener) else {
        panic!("a TCP listener and a Unix one");
    };
    assert!(is_close_on_exec(&tcp) && is_close_on_exec(&unix));
    assert_eq!(tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(unix.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(tcp.local_addr().unwrap().ip().is_loopback());

    let error = inherited_listeners().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("already"), "{error}");
    drop((tcp, unix));
    assert_eq!(inherited_listeners().unwrap_err().kind(), ErrorKind::AlreadyExists, "also when they are closed");
}

/// Serves until `stop`: each read is answered by one byte that says who it was. None of its connections may fail.
fn serve(who: u8, listener: TcpListener, sharing: Sharing, stop: impl Future) {
    let server = Server::builder().threads(2).sharing(sharing).listener(listener).unwrap();
    let make = move || {
        move |connection: Connection| async move {
            while connection.stream.read(&mut [0]).await? > 0 {
                connection.stream.write_all(&[who]).await?;
            }
            Ok(())
        }
    };
    let drained = server.run(make, stop).unwrap();
    assert!(drained.served > 0);
    assert_eq!((drained.failed, drained.aborted), (0, 0));
}

/// A descriptor that this process was started with.
fn given<T: From<OwnedFd>>(number: i32) -> T {
    // SAFETY: it was opened for this process, and is taken once.
    unsafe { OwnedFd::from_raw_fd(number) }.into()
}

/// Serves, passes its listener on when it is asked for, and ends when the successor serves.
fn be_old(sharing: Sharing) {
    let InheritedListener::Tcp(listener) = inherited_listeners().unwrap().remove(0).listener else { panic!("of TCP") };
    let passed = listener.try_clone().unwrap();
    serve(b'o', listener, sharing, async {
        let successor = mainspring::net::UnixStream::from_std(given(4)).unwrap();
        assert_eq!(successor.read(&mut [0]).await.unwrap(), 1);
        successor.send_descriptors(&[IoSlice::new(b"l")], &[passed.as_fd()]).await.unwrap();
        assert_eq!(successor.read(&mut [0]).await.unwrap(), 1);
    });
}

/// Asks for the listener, says that it serves, and ends when descriptor 4 does.
fn be_new(sharing: Sharing) {
    let (predecessor, leash) = (given::<UnixStream>(3), given(4));
    let asked = predecessor.try_clone().unwrap();
    let listener = mainspring::run(async {
        let predecessor = mainspring::net::UnixStream::from_std(asked).unwrap();
        predecessor.write_all(b"?").await.unwrap();
        let mut descriptors = Vec::new();
        let buffer = &mut [0];
        let received = predecessor.recv_descriptors(&mut [IoSliceMut::new(buffer)], &mut descriptors).await.unwrap();
        assert!(!received.descriptors_lost);
        descriptors.remove(0)
    });
    serve(b'n', listener.unwrap().into(), sharing, async {
        mainspring::net::UnixStream::from_std(predecessor).unwrap().write_all(b"!").await.unwrap();
        assert_eq!(mainspring::net::UnixStream::from_std(leash).unwrap().read(&mut [0]).await.unwrap(), 0);
    });
}

/// One connection: who has answered.
fn ask(address: SocketAddr) -> io::Result<u8> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0];
    for _ in 0..2 {
        stream.write_all(b"?")?;
        stream.read_exact(&mut answer)?;
    }
    Ok(answer[0])
}

#[test]
fn a_server_restarts_while_clients_keep_connecting_and_no_connection_is_refused_or_reset() {
    const NAME: &str = "a_server_restarts_while_clients_keep_connecting_and_no_connection_is_refused_or_reset";
    const ANSWERS: usize = 300;
    let _limit = Limit::new();
    match std::env::var(ROLE).as_deref() {
        Ok("old HandOff") => return be_old(Sharing::HandOff),
        Ok("old Exclusive") => return be_old(Sharing::Exclusive),
        Ok("new HandOff") => return be_new(Sharing::HandOff),
        Ok("new Exclusive") => return be_new(Sharing::Exclusive),
        _ => {}
    }
    for sharing in ["HandOff", "Exclusive"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (old_end, new_end) = UnixStream::pair().unwrap();
        let variables = "LISTEN_PID=$$ LISTEN_FDS=1";
        let old = inheriting(NAME, &format!("old {sharing}"), variables, [listener.into(), old_end.into()]);
        let old = thread::spawn(move || output(old));

        let (sender, answers) = mpsc::channel();
        let enough = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (sender, enough) = (sender.clone(), enough.clone());
            thread::spawn(move || while !enough.load(SeqCst) && sender.send(ask(address)).is_ok() {})
        };
        let clients: Vec<_> = (0..3).map(client).collect();
        let mut counts = [0, 0];
        let mut until = |who, more| {
            let enough = counts[usize::from(who == b'n')] + more;
            while counts[usize::from(who == b'n')] < enough {
                let answer =
                    answers.recv_timeout(PATIENCE).unwrap().unwrap_or_else(|error| panic!("{sharing}: {error}"));
                counts[usize::from(answer == b'n')] += 1;
            }
        };
        until(b'o', ANSWERS);
        let (leash, held) = UnixStream::pair().unwrap();
        let new = inheriting(NAME, &format!("new {sharing}"), "", [new_end.into(), held.into()]);
        let new = thread::spawn(move || output(new));
        until(b'n', ANSWERS);
        old.join().unwrap();
        until(b'n', ANSWERS);
        enough.store(true, SeqCst);
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert!(answers.try_iter().all(|answer| answer.is_ok()));
        drop(leash);
        new.join().unwrap();
        println!("{sharing}: {} connections were served by the old process and {} by the new", counts[0], counts[1]);
    }
}
