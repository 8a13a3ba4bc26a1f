//! The client of a path: the same pool, deadlines and retries, over Unix sockets.
#![cfg(feature = "service")]

mod util;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;

use mainspring::client::{Client, Error};
use mainspring::net::{UnixListener, UnixStream};
use mainspring::service::{Service, service_fn};
use mainspring::task::JoinSet;
use mainspring::{JoinHandle, run, spawn};
use util::folder::Folder;
use util::runtime::in_child;

/// A server that answers a byte with the byte after it, and counts connections.
fn serve(path: &Path) -> (Rc<Cell<usize>>, JoinHandle<()>) {
    let listener = UnixListener::bind(path).unwrap();
    let accepted = Rc::new(Cell::new(0));
    let count = accepted.clone();
    let accepting = spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.set(count.get() + 1);
            connections.spawn(async move {
                let mut byte = [0];
                while stream.read(&mut byte).await? > 0 {
                    stream.write_all(&[byte[0] + 1]).await?;
                }
                io::Result::Ok(())
            });
        }
    });
    (accepted, accepting)
}

fn client(path: &Path) -> Client<impl Service<u8, Response = u8, Error = io::Error> + use<>> {
    let client = Client::builder().connect_unix(path, async |stream: UnixStream| {
        Ok(service_fn(async move |byte: u8| {
            stream.write_all(&[byte]).await?;
            let mut answer = [0];
            mainspring::io::read_exact(&mut &stream, &mut answer).await?;
            io::Result::Ok(answer[0])
        }))
    });
    client.unwrap()
}

#[test]
fn calls_go_to_the_path_and_share_a_connection_one_after_another() {
    let folder = Folder::new();
    let path = folder.join("socket");
    run(async {
        let (accepted, _accepting) = serve(&path);
        let client = client(&path);
        for byte in 0..10 {
            assert_eq!(client.call(byte).await.unwrap(), byte + 1);
        }
        assert_eq!(accepted.get(), 1);
        let both = futures::future::join(client.call(1), client.call(2)).await;
        assert_eq!((both.0.unwrap(), both.1.unwrap(), accepted.get()), (2, 3, 2));
    })
    .unwrap();
}

#[test]
fn where_nobody_listens_the_error_names_the_path() {
    let folder = Folder::new();
    let (missing, stale) = (folder.join("missing"), folder.join("stale"));
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    run(async {
        for (path, kind) in [(missing, ErrorKind::NotFound), (stale, ErrorKind::ConnectionRefused)] {
            let error = client(&path).call(1).await.unwrap_err();
            let Error::ConnectUnix(named, cause) = &error else { panic!("{error:?}") };
            assert_eq!((&**named, cause.kind()), (&*path, kind));
            assert!(cause.raw_os_error().is_some(), "{cause:?}");
            let text = error.to_string();
            assert!(text.starts_with(&format!("cannot connect to {}: ", path.display())), "{text}");
            assert_eq!(io::Error::from(error).kind(), kind);
        }
    })
    .unwrap();
}

#[test]
fn a_server_that_was_started_again_at_the_path_is_found() {
    let folder = Folder::new();
    let path = folder.join("socket");
    run(async {
        let client = client(&path);
        for _ in 0..3 {
            assert!(client.call(0).await.is_err());
            let (accepted, accepting) = serve(&path);
            assert_eq!(client.call(0).await.unwrap(), 1);
            assert_eq!(accepted.get(), 1);
            accepting.abort();
            let _ended = accepting.await;
            std::fs::remove_file(&path).unwrap();
        }
    })
    .unwrap();
}

#[test]
fn a_path_that_is_too_long_is_refused_before_any_call() {
    let path = format!("/tmp/{}", "x".repeat(200));
    let refused = Client::builder().connect_unix(&path, async |_| io::Result::Ok(()));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains(&path), "{error}");
}

#[test]
fn an_empty_path_is_refused_before_any_call() {
    let refused = Client::builder().connect_unix("", async |_| io::Result::Ok(()));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_relative_path_stays_where_the_client_was_made() {
    in_child("a_relative_path_stays_where_the_client_was_made", || {
        let folder = Folder::new();
        std::env::set_current_dir(folder.path()).unwrap();
        let client = client(Path::new("socket"));
        std::env::set_current_dir("/").unwrap();
        run(async {
            let (_accepted, _accepting) = serve(&folder.join("socket"));
            assert_eq!(client.call(0).await.unwrap(), 1);
        })
        .unwrap();
    });
}
