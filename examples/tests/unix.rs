//! HTTP on a Unix socket, as curl sees it.
#![forbid(unsafe_code)]

use examples::http::{Http, Incoming, Response, limits};
use mainspring::channel::oneshot;
use mainspring::codec::Framed;
use mainspring::net::UnixStream;
use mainspring::server::{Connection, Server};
use mainspring::service::service_fn;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;

async fn hello(connection: Connection<UnixStream>) -> io::Result<()> {
    let service = service_fn(async |request: Incoming| {
        Ok::<_, io::Error>(match request {
            Incoming::Request(request) => Response::text(if request.path() == "/one" { "first, " } else { "second" }),
            Incoming::Refused(status) => Response::of(status),
            Incoming::Continue => return Err(io::ErrorKind::Unsupported.into()),
        })
    });
    let (stream, server) = connection.pipeline()?;
    let framed = Framed::new(stream, Http::new()).max_frame(limits::REQUEST);
    server.serve(framed, &service).await.map_err(io::Error::other)
}

#[test]
fn curl_is_answered_on_the_path_and_refused_when_the_server_has_ended() {
    // Why not in the target folder: the path of a socket is no longer than 107 bytes.
    let path = std::env::temp_dir().join(format!("mainspring-{}.socket", std::process::id()));
    let server = Server::builder().threads(2).bind_unix(&path).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let curl = move |path: &Path| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--unix-socket"]).arg(path);
        curl.args(["http://localhost/one", "http://localhost/two"]).output().expect("install the package `curl`")
    };
    let asked = path.clone();
    let client = thread::spawn(move || {
        let _stop = stop;
        curl(&asked)
    });
    let drained = server.run(|| hello, stopped).unwrap();
    let answered = client.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&answered.stdout), "first, second", "{answered:?}");
    assert_eq!((drained.served, drained.failed), (1, 0), "both requests on one connection");
    assert!(!path.exists());
    assert!(!curl(&path).status.success());
}
