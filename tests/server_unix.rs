//! The server of a path: its connections, its file, and its threads.
#![cfg(feature = "service")]

mod util;

use mainspring::codec::{Framed, Lines};
use mainspring::net::{UnixStream as Stream, abstract_address};
use mainspring::server::{Connection, Sharing};
use mainspring::service::service_fn;
use mainspring::{Client, Server, channel::oneshot, run, service::Service, time::timeout};
use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use util::folder::Folder;
use util::runtime::{Limit, in_child};

/// Longer than anything takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers each read until the peer is done.
async fn echo(connection: Connection<Stream>) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        match connection.stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => connection.stream.write_all(&buffer[..count]).await?,
        }
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn round_trip(stream: &mut UnixStream) {
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

/// Runs `client` on a thread of its own while the server runs, and returns what it says.
fn while_it_runs<T: Send + 'static, M, H, F>(
    server: Server<Stream>,
    make: M,
    client: impl FnOnce(PathBuf) -> T + Send + 'static,
) -> T
where
    M: Fn() -> H + Send + Clone + 'static,
    H: Fn(Connection<Stream>) -> F + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let path = server.local_addr().as_pathname().unwrap().to_path_buf();
    let (stop, stopped) = oneshot::channel::<()>();
    let client = thread::spawn(move || {
        let _stop = stop;
        client(path)
    });
    server.run(make, stopped).unwrap();
    client.join().unwrap()
}

#[test]
fn several_clients_are_answered_and_the_server_knows_who_they_are() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().bind_unix(folder.join("socket")).unwrap();
    assert_eq!(server.local_addr().as_pathname(), Some(&*folder.join("socket")));
    let (seen, peers) = mpsc::channel();
    let make = move || {
        let seen = seen.clone();
        move |connection: Connection<Stream>| {
            seen.send((connection.stream.peer_credentials().unwrap(), connection.peer.is_unnamed())).unwrap();
            echo(connection)
        }
    };
    while_it_runs(server, make, |path| {
        let mut clients = [connect(&path), connect(&path), connect(&path)];
        for _ in 0..3 {
            clients.iter_mut().for_each(round_trip);
        }
    });
    let (own, peers) = (fs::metadata(folder.path()).unwrap(), peers.iter().collect::<Vec<_>>());
    assert_eq!(peers.len(), 3);
    for (credentials, is_unnamed) in peers {
        assert!(is_unnamed);
        assert_eq!(credentials.user, own.uid());
        assert!(credentials.process.is_none_or(|process| u32::try_from(process) == Ok(std::process::id())));
    }
}

#[test]
fn a_drain_removes_the_file_serves_what_is_queued_and_lets_a_successor_bind() {
    let folder = Folder::new();
    let path = folder.join("socket");
    run(async {
        for _restart in 0..3 {
            let server = Server::builder().bind_unix(&path).unwrap();
            let mut clients: Vec<_> = (0..50).map(|_| connect(&path)).collect();
            clients.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
            let serving = server.serve(async |connection| {
                let mut byte = [0];
                connection.stream.read(&mut byte).await?;
                connection.stream.write_all(&byte).await
            });
            let drained = serving.unwrap().drain(Duration::MAX).await;
            assert_eq!((drained.served, drained.failed, drained.aborted), (50, 0, 0));
            assert!(!path.exists());
            for mut client in clients {
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).unwrap();
                assert_eq!(answer, b"x");
            }
        }
    })
    .unwrap();
}

#[test]
fn the_file_goes_while_the_last_connections_are_served() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().threads(2).bind_unix(folder.join("socket")).unwrap();
    let path = folder.join("socket");
    let (stop, stopped) = oneshot::channel::<()>();
    let client = thread::spawn(move || {
        let mut client = connect(&path);
        round_trip(&mut client);
        drop(stop);
        while path.exists() {
            thread::yield_now();
        }
        // This connection is served on, beside a successor at its path.
        let successor = UnixListener::bind(&path).unwrap();
        round_trip(&mut client);
        drop(client);
        (successor, path)
    });
    let drained = server.run(|| echo, stopped).unwrap();
    assert_eq!((drained.served, drained.finished, drained.aborted), (1, 1, 0));
    let (_successor, path) = client.join().unwrap();
    assert!(path.exists(), "the end of a server has removed the file of its successor");
}

#[test]
fn a_path_that_exists_is_refused_and_stays_with_whoever_has_it() {
    let folder = Folder::new();
    let (live, other) = (folder.join("live"), folder.join("other"));
    fs::write(&other, b"no socket").unwrap();
    run(async {
        let serving = Server::builder().bind_unix(&live).unwrap().serve(echo).unwrap();
        for path in [&live, &other] {
            let error = Server::builder().bind_unix(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        let client = Stream::connect(&live).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 5);
        drop(client);
        serving.drain(Duration::MAX).await;
    })
    .unwrap();
    assert_eq!(fs::read(other).unwrap(), b"no socket");
}

#[test]
fn a_file_that_has_taken_the_place_of_the_servers_own_stays() {
    let folder = Folder::new();
    let path = folder.join("socket");
    run(async {
        let first = Server::builder().bind_unix(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = Server::builder().bind_unix(&path).unwrap();
        first.serve(echo).unwrap().drain(Duration::ZERO).await;
        assert!(path.exists());
        second.serve(echo).unwrap().drain(Duration::ZERO).await;
        assert!(!path.exists());
    })
    .unwrap();
}

#[test]
fn a_server_that_never_ran_and_one_whose_reactor_ends_remove_their_file_too() {
    let folder = Folder::new();
    let path = folder.join("socket");
    drop(Server::builder().bind_unix(&path).unwrap());
    assert!(!path.exists());
    run(async {
        let server = Server::builder().bind_unix(&path).unwrap();
        drop(server.serve(echo).unwrap());
        assert!(path.exists(), "it goes on without its handle");
    })
    .unwrap();
    assert!(!path.exists());
}

#[test]
fn a_handle_that_is_kept_after_its_reactor_has_no_file() {
    let folder = Folder::new();
    let path = folder.join("socket");
    let serve = async || Server::builder().bind_unix(&path)?.serve(echo);
    let kept = run(serve()).unwrap().unwrap();
    assert!(!path.exists(), "nobody listens there any more");
    // It may well get the inode that the first one had.
    let successor = Server::builder().bind_unix(&path).unwrap();
    drop(kept);
    assert!(path.exists());
    drop(connect(&path));
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn the_limit_of_connections_holds() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().threads(2).connections(2).bind_unix(folder.join("socket")).unwrap();
    while_it_runs(
        server,
        || echo,
        |path| {
            let (mut first, mut second, mut third) = (connect(&path), connect(&path), connect(&path));
            round_trip(&mut first);
            round_trip(&mut second);
            third.write_all(b"hello").unwrap();
            third.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            assert_eq!(third.read(&mut [0; 5]).unwrap_err().kind(), ErrorKind::WouldBlock);
            third.set_read_timeout(Some(PATIENCE)).unwrap();
            drop(first);
            let mut answer = [0; 5];
            third.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello");
        },
    );
}

#[test]
fn by_hand_off_two_threads_get_as_many_connections_of_one_listener() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().threads(2).bind_unix(folder.join("socket")).unwrap();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let served = threads.clone();
    let make = move || {
        let served = served.clone();
        move |connection| {
            served.lock().unwrap().push(thread::current().id());
            echo(connection)
        }
    };
    while_it_runs(server, make, |path| {
        let mut clients: Vec<_> = (0..10).map(|_| connect(&path)).collect();
        clients.iter_mut().for_each(round_trip);
    });
    let threads = threads.lock().unwrap();
    let first = threads.iter().filter(|thread| **thread == threads[0]).count();
    assert_eq!((threads.len(), first), (10, 5));
}

#[test]
fn two_threads_wait_at_one_listener_and_the_second_serves_while_the_first_is_busy() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().threads(2).sharing(Sharing::Exclusive).bind_unix(folder.join("socket")).unwrap();
    let (started, starts) = mpsc::channel();
    let both = Arc::new(Barrier::new(2));
    let make = move || {
        let (started, both) = (started.clone(), both.clone());
        move |_connection| {
            started.send(thread::current().id()).unwrap();
            // Keeps its thread, until the other one has got here.
            both.wait();
            async { Ok(()) }
        }
    };
    while_it_runs(server, make, move |path| {
        let _first = connect(&path);
        let first = starts.recv_timeout(PATIENCE).unwrap();
        let _second = connect(&path);
        assert_ne!(starts.recv_timeout(PATIENCE).unwrap(), first);
    });
}

#[test]
fn a_given_listener_is_served_and_keeps_its_file() {
    let folder = Folder::new();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    run(async {
        let serving = Server::builder().unix_listener(listener).unwrap().serve(echo).unwrap();
        let client = Stream::connect(&path).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 5);
        drop(client);
        assert_eq!(serving.drain(Duration::MAX).await.served, 1);
    })
    .unwrap();
    assert!(path.exists());
}

#[test]
fn an_abstract_name_is_served() {
    let name = format!("mainspring-{}-served", std::process::id());
    let address = match abstract_address(name.as_bytes()) {
        Ok(address) => address,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Unsupported),
    };
    let server = Server::builder().unix_listener(UnixListener::bind_addr(&address).unwrap()).unwrap();
    run(async {
        let _serving = server.serve(echo).unwrap();
        let client = Stream::connect_addr(&address).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 5);
    })
    .unwrap();
}

#[test]
fn a_listener_for_each_thread_is_refused_and_leaves_no_file() {
    let folder = Folder::new();
    let path = folder.join("socket");
    let builder = || Server::builder().threads(2).sharing(Sharing::ReusePort);
    assert_eq!(builder().bind_unix(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(!path.exists());
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(builder().unix_listener(listener).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Answers the first byte, and then the next two together.
async fn answer_one_and_two(connection: Connection<Stream>) -> io::Result<()> {
    for count in [1, 2] {
        let mut left = count;
        while left > 0 {
            left -= connection.stream.read(&mut [0; 64]).await?;
        }
        connection.stream.write_all(b"!").await?;
    }
    Ok(())
}

/// Sends these bytes with a descriptor each, so that a read ends after one.
async fn send_one_and_two_with_descriptors(client: &Stream) {
    // One by itself first, with the event of the registration; then two at once, of which there is one event.
    for count in [1, 2] {
        for _ in 0..count {
            let sent = client.try_send_descriptors(&[IoSlice::new(b"x")], &[client.as_fd()]);
            assert_eq!(sent.unwrap(), Some(1));
        }
        assert_eq!(timeout(PATIENCE, client.read(&mut [0])).await.unwrap().unwrap(), 1);
    }
}

#[test]
fn a_read_that_ends_where_descriptors_came_is_followed_by_one_that_finds_the_rest() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let path = folder.join("socket");
    run(async {
        let server = Server::builder().bind_unix(&path).unwrap();
        let client = Stream::connect(&path).await.unwrap();
        let serving = server.serve(answer_one_and_two).unwrap();
        send_one_and_two_with_descriptors(&client).await;
        serving.drain(Duration::MAX).await;
    })
    .unwrap();
}

#[test]
fn so_it_is_with_a_connection_that_was_handed_off() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().threads(2).bind_unix(folder.join("socket")).unwrap();
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let served = threads.clone();
    let make = move || {
        let served = served.clone();
        move |connection| {
            served.lock().unwrap().insert(thread::current().id());
            answer_one_and_two(connection)
        }
    };
    while_it_runs(server, make, |path| {
        run(async {
            let clients = [Stream::connect(&path).await.unwrap(), Stream::connect(&path).await.unwrap()];
            for client in &clients {
                send_one_and_two_with_descriptors(client).await;
            }
        })
        .unwrap();
    });
    assert_eq!(threads.lock().unwrap().len(), 2);
}

#[test]
fn the_file_of_a_relative_path_is_found_from_another_working_directory() {
    in_child("the_file_of_a_relative_path_is_found_from_another_working_directory", || {
        let folder = Folder::new();
        env::set_current_dir(folder.path()).unwrap();
        let server = Server::builder().bind_unix("socket").unwrap();
        env::set_current_dir("/").unwrap();
        let path = folder.join("socket");
        run(async {
            let serving = server.serve(echo).unwrap();
            assert!(path.exists());
            serving.drain(Duration::ZERO).await;
        })
        .unwrap();
        assert!(!path.exists());
    });
}

#[test]
fn a_pipeline_over_a_path_answers_and_is_drained() {
    let _limit = Limit::new();
    let folder = Folder::new();
    let server = Server::builder().bind_unix(folder.join("socket")).unwrap();
    let shout = async |connection: Connection<Stream>| {
        let service = service_fn(async |line: String| io::Result::Ok(line.to_uppercase()));
        let (stream, server) = connection.pipeline()?;
        server.serve(Framed::new(stream, Lines::new()), &service).await.map_err(io::Error::other)
    };
    let mut client = while_it_runs(
        server,
        move || shout,
        |path| {
            let mut client = BufReader::new(connect(&path));
            client.get_mut().write_all(b"one\ntwo\n").unwrap();
            let mut line = String::new();
            client.read_line(&mut line).unwrap();
            client.read_line(&mut line).unwrap();
            assert_eq!(line, "ONE\nTWO\n");
            client
        },
    );
    assert_eq!(client.read_line(&mut String::new()).unwrap(), 0, "the drain has closed it");
}

#[test]
fn a_client_finds_a_server_that_was_started_again_at_its_path() {
    let folder = Folder::new();
    let path = folder.join("socket");
    run(async {
        let client = Client::builder().connect_unix(&path, async |stream| {
            Ok(service_fn(async move |byte: u8| {
                stream.write_all(&[byte]).await?;
                let mut answer = [0];
                mainspring::io::read_exact(&mut &stream, &mut answer).await?;
                io::Result::Ok(answer[0])
            }))
        });
        let client = client.unwrap();
        for restart in 0..3 {
            let serving = Server::builder().bind_unix(&path).unwrap().serve(echo).unwrap();
            assert_eq!(client.call(restart).await.unwrap(), restart);
            assert_eq!(serving.drain(Duration::ZERO).await.served, 1);
            assert!(client.call(restart).await.is_err(), "the connection, or the path, is gone");
        }
    })
    .unwrap();
}
