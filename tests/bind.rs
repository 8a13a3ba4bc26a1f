//! Binding to an address that is taken: the text says which, and the code of the system is kept.
#![cfg(feature = "service")]
mod util;

use mainspring::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};
use mainspring::server::Server;
use std::error::Error;
use std::io;
use util::folder::Folder;
use util::runtime::run;

#[test]
fn every_kind_says_which_address_it_was_and_keeps_the_code_of_the_system() {
    run(async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let (listener, socket) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (listening, bound) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
        let _unix = UnixListener::bind(&path).unwrap();
        let errors = [
            (TcpListener::bind(listening).unwrap_err(), listening.to_string()),
            (Server::builder().bind(listening).unwrap_err(), listening.to_string()),
            (UdpSocket::bind(bound).unwrap_err(), bound.to_string()),
            (UnixListener::bind(&path).unwrap_err(), path.display().to_string()),
            (UnixDatagram::bind(&path).unwrap_err(), path.display().to_string()),
        ];
        for (error, address) in errors {
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().contains(&address), "{error}");
            let system = error.source().and_then(|source| source.downcast_ref::<io::Error>()).expect("a source");
            assert_eq!(system.raw_os_error(), Some(libc::EADDRINUSE), "{error}");
            assert!(error.to_string().ends_with(&system.to_string()), "{error}");
        }
    });
}
