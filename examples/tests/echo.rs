//! The echo example in its three styles, from outside: bytes, back-pressure, half-close and the end.
#![forbid(unsafe_code)]
mod util {
    pub(crate) mod program;
}

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use util::program::{AT_ONCE, PATIENCE, Program, example};

const STYLES: [&str; 3] = ["async", "tick", "std"];

fn connect(program: &Program) -> TcpStream {
    let stream = TcpStream::connect(program.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Bytes in which a lost, repeated or moved one shows.
fn noise(count: u32) -> Vec<u8> {
    (0..count).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_mebibyte_comes_back_in_tiny_reads_and_ends_when_the_sender_does() {
    for style in STYLES {
        // A buffer that no read fills evenly, and that a write may take in parts.
        let program = Program::start("echo", &["--style", style, "--buf", "4099"]);
        let mut stream = connect(&program);
        let sent = noise(1 << 20);

        let mut writer = stream.try_clone().unwrap();
        let bytes = sent.clone();
        let writing = thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        let mut tiny = [0; 7];
        loop {
            match stream.read(&mut tiny).unwrap() {
                0 => break,
                count => received.extend_from_slice(&tiny[..count]),
            }
        }
        writing.join().unwrap();
        assert!(received == sent, "{style}: {} of {} bytes came back, or others", received.len(), sent.len());
        assert!(program.end("TERM", AT_ONCE).success());
    }
}

#[test]
fn a_reader_that_does_not_read_holds_up_its_own_sender_and_nobody_else() {
    for style in STYLES {
        let program = Program::start("echo", &["--style", style]);
        let mut stuck = connect(&program);
        // Without an end to what is taken, the server would be storing it.
        stuck.set_nonblocking(true).unwrap();
        let mut taken = 0_usize;
        let mut other = connect(&program);
        let mut refusals = 0;
        while refusals < 100 {
            match stuck.write(&[7; 65_536]) {
                Ok(count) => {
                    taken += count;
                    refusals = 0;
                }
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                    refusals += 1;
                }
            }
            // A round trip by another client: the server has had its turn.
            other.write_all(b"x").unwrap();
            other.read_exact(&mut [0]).unwrap();
            assert!(taken < 256 << 20, "{style}: 256 MiB were taken and nothing was read back");
        }

        stuck.set_nonblocking(false).unwrap();
        stuck.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stuck.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), taken, "{style}");
        assert!(received.iter().all(|&byte| byte == 7));
    }
}

#[test]
fn a_signal_ends_it_although_idle_connections_are_open_on_all_threads() {
    for (style, signal) in STYLES.into_iter().zip(["TERM", "INT", "TERM"]) {
        let program = Program::start("echo", &["--style", style, "--threads", "2"]);
        let mut streams: Vec<_> = (0..8).map(|_| connect(&program)).collect();
        for stream in &mut streams {
            stream.write_all(b"hello").unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
        }
        assert!(program.end(signal, AT_ONCE).success(), "{style}");
        for stream in &mut streams {
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{style}: an end in good order");
        }
    }
}

#[test]
fn connections_come_to_two_threads_in_every_way_also_from_a_listener_that_was_open_already() {
    for way in ["reuse-port", "hand-off", "exclusive"] {
        let options = ["--threads", "2", "--pin", "--sharing", way];
        let mut programs = vec![Program::start("echo", &options)];
        if way != "reuse-port" {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            programs.push(Program::start_with(listener, "echo", &options));
            assert_eq!(programs[1].address, address);
        }
        for program in programs {
            let mut streams: Vec<_> = (0..8).map(|_| connect(&program)).collect();
            for stream in &mut streams {
                stream.write_all(b"hello").unwrap();
                let mut answer = [0; 5];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"hello", "{way}");
            }
            assert!(program.end("TERM", AT_ONCE).success(), "{way}");
        }
    }
}

#[test]
fn bad_options_and_a_taken_port_are_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let wrong: [(&[&str], &str); 5] = [
        (&["--port", &port], &format!("127.0.0.1:{port}")),
        (&["--port", "65536"], "65536"),
        (&["--buf", "0"], "0 is not in 1.."),
        (&["--threads", "0"], "0 is not in 1..=1024"),
        (&["--style", "fast"], "fast"),
    ];
    for (arguments, named) in wrong {
        let output = example("echo").args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(errors.contains(named), "{arguments:?} gave {errors:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}
