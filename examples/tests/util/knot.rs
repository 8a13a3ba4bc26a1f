//! A name server for the tests: Knot DNS on a free port of 127.0.0.1, and its tool that changes zones (RFC 2136).
#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// How often a port is looked for that is free for datagrams and connections alike.
const PORTS: u32 = 50;

/// The server, which is killed with the test.
pub(crate) struct Knot {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Knot {
    /// Starts one with the zone `test`, which has these records. `name` is that of its folder, which no other test
    /// uses.
    pub(crate) fn start(name: &str, records: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Why ignored: there is none the first time.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let zone =
            format!("$ORIGIN test.\n$TTL 1\n@ 60 SOA ns admin 1 600 600 600 7\n@ NS ns\nns A 127.0.0.1\n{records}\n");
        fs::write(folder.join("test.zone"), zone).unwrap();
        // Another one may take the port before the server does.
        (0..PORTS).find_map(|_| Self::try_start(&folder)).expect("a port that is free")
    }

    fn try_start(folder: &Path) -> Option<Self> {
        let address = free_address()?;
        let folder_name = folder.display();
        let configuration = format!(
            "server:\n  rundir: \"{folder_name}\"\n  listen: {}@{}\n  tcp-reuseport: off\n  udp-workers: 1\n  tcp-workers: 1\n\
             log:\n  - target: stdout\n    any: info\n\
             database:\n  storage: \"{folder_name}\"\n\
             acl:\n  - id: changes\n    address: 127.0.0.1\n    action: update\n\
             zone:\n  - domain: test\n    storage: \"{folder_name}\"\n    file: test.zone\n    acl: changes\n    \
             journal-content: none\n    zonefile-sync: -1\n    zonefile-load: whole\n",
            address.ip(),
            address.port()
        );
        let file = folder.join("knot.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("/usr/sbin/knotd");
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("knotd cannot be run, install the package `knot`: {error}"),
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = String::new();
        let is_up = lines.by_ref().any(|line| {
            writeln!(said, "{line}").unwrap();
            line.contains("server started")
        });
        if is_up {
            // So that it never waits for who reads.
            thread::spawn(move || lines.for_each(drop));
            return Some(Self { child, address });
        }
        let output = child.wait_with_output().unwrap();
        said += &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("already in use"), "knotd does not start:\n{said}");
        None
    }

    /// Changes the zone: lines of `knsupdate`, all of them at once.
    pub(crate) fn update(&self, changes: &str) {
        let mut command = Command::new("knsupdate");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("knsupdate cannot be run, install the package `knot-dnsutils`: {error}"),
        };
        let script = format!("server {} {}\nzone test.\n{changes}\nsend\n", self.address.ip(), self.address.port());
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{changes}: {}", String::from_utf8_lossy(&said));
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        // Why ignored: it has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that nobody has for either.
fn free_address() -> Option<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    match UdpSocket::bind(address) {
        Ok(_socket) => Some(address),
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        Err(error) => panic!("{error}"),
    }
}
