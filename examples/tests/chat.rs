//! The chat example from outside: who hears what, and what becomes of those who do not listen.
#![forbid(unsafe_code)]
mod util {
    pub(crate) mod program;
}

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::thread;

use util::program::{AT_ONCE, PATIENCE, Program, example};

/// A client that says its name at once.
struct Client(BufReader<TcpStream>);

impl Client {
    fn join(program: &Program, name: &str) -> Self {
        let stream = TcpStream::connect(program.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(BufReader::new(stream));
        client.say(name);
        client
    }

    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line; empty at the end.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }
}

#[test]
fn three_clients_on_two_threads_hear_one_another_come_talk_and_go() {
    let program = Program::start("chat", &["--threads", "2"]);
    let mut ann = Client::join(&program, "ann");
    assert_eq!(ann.hear(), "* you are ann; here: ");
    let mut bob = Client::join(&program, "bob\r");
    assert_eq!(bob.hear(), "* you are bob; here: ann");
    assert_eq!(ann.hear(), "* bob joined");
    let mut other = Client::join(&program, " ann ");
    let greeting = other.hear();
    assert!(
        greeting == "* you are ann-2; here: ann, bob" || greeting == "* you are ann-2; here: bob, ann",
        "{greeting}"
    );
    assert_eq!(ann.hear(), "* ann-2 joined");
    assert_eq!(bob.hear(), "* ann-2 joined");

    bob.say("hello\r");
    bob.say("how \x1b[31mare\r you\r\r");
    for client in [&mut ann, &mut other] {
        assert_eq!(client.hear(), "bob: hello");
        assert_eq!(client.hear(), "bob: how [31mare you");
    }
    ann.say("well");
    assert_eq!(bob.hear(), "ann: well", "and not bob's own lines");
    drop(ann);
    assert_eq!(bob.hear(), "* ann left");
    assert_eq!(other.hear(), "ann: well");
    assert_eq!(other.hear(), "* ann left");
}

#[test]
fn a_line_that_is_refused_concerns_its_sender_alone() {
    let program = Program::start("chat", &[]);
    let mut ann = Client::join(&program, "ann");
    assert_eq!(ann.hear(), "* you are ann; here: ");
    let mut bob = Client::join(&program, "bob");
    assert_eq!(ann.hear(), "* bob joined");
    assert_eq!(bob.hear(), "* you are bob; here: ann");
    bob.say(&"x".repeat(5000));
    assert_eq!(bob.hear(), "* not sent: a line is longer than the limit of 1024 bytes");
    bob.0.get_mut().write_all(b"caf\xe9\n").unwrap();
    assert_eq!(bob.hear(), "* not sent: a line is not UTF-8 from byte 3 on");
    bob.say("short");
    assert_eq!(ann.hear(), "bob: short");
}

#[test]
fn a_member_that_does_not_read_is_dropped_and_the_others_go_on() {
    let program = Program::start("chat", &[]);
    let mut reader = Client::join(&program, "reader");
    assert_eq!(reader.hear(), "* you are reader; here: ");
    let mut slow = Client::join(&program, "slow");
    assert_eq!(slow.hear(), "* you are slow; here: reader");
    let mut writer = Client::join(&program, "writer");
    writer.hear();

    let writing = thread::spawn(move || {
        // More than any system buffers for one connection.
        let line = "x".repeat(1000);
        for _ in 0..64 * 1024 {
            writer.say(&line);
        }
        writer
    });
    let mut lines = 0;
    let mut dropped = false;
    while lines < 64 * 1024 {
        let line = reader.hear();
        lines += usize::from(line.starts_with("writer: x"));
        dropped |= line == "* slow was too slow";
        assert!(!line.is_empty(), "the reader was dropped after {lines} lines");
    }
    assert!(dropped, "64 MiB went to a member that does not read");
    drop(writing.join().unwrap());
    assert_eq!(reader.hear(), "* writer left");
    // What the system had taken for it is still there, and then the end.
    let mut rest = Vec::new();
    let end = std::io::Read::read_to_end(&mut slow.0, &mut rest);
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(rest.len() < 64 * 1024 * 1000);
}

#[test]
fn a_signal_ends_it_although_members_are_there() {
    let program = Program::start("chat", &["--threads", "2"]);
    let mut clients: Vec<_> = (0..6).map(|n| Client::join(&program, &format!("client{n}"))).collect();
    for client in &mut clients {
        assert!(client.hear().starts_with("* "));
    }
    assert!(program.end("TERM", AT_ONCE).success());
}

#[test]
fn a_host_that_is_not_ours_is_named() {
    let output = example("chat").args(["--host", "192.0.2.1", "--port", "0"]).output().unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("cannot listen on 192.0.2.1:0"), "{errors}");
}
