//! Options, and what is said about wrong ones.

use std::process::{Command, Output};

use super::program::{Program, path};

/// Runs the program with options that it cannot start with.
fn fail(options: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(path()).args(options).output().expect("the program runs");
    assert!(stdout.is_empty(), "{options:?} on stdout: {}", stdout.escape_ascii());
    (status.code(), String::from_utf8(stderr).expect("stderr is text"))
}

#[test]
fn a_bad_value_is_named_with_its_option() {
    for (option, value) in [
        ("--port", "99999"),
        ("--port", "http"),
        ("--threads", "0"),
        ("--threads", "many"),
        ("--timeout", "5x"),
        ("--timeout", "ms"),
        ("--timeout", "inf"),
        ("--drain", "-3"),
        ("--receive", "1e999"),
    ] {
        let (code, said) = fail(&[&format!("{option}={value}")]);
        assert_eq!(code, Some(2), "{option}={value}: {said}");
        assert!(said.contains(option) && said.contains(&format!("'{value}'")), "{option}={value}: {said}");
    }
}

#[test]
fn a_host_that_is_none_is_named() {
    let (code, said) = fail(&["--host", "256.256.256.256"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("256.256.256.256"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let program = Program::start(&[]);
    let (code, said) = fail(&["--port", &program.address.port().to_string()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&program.address.to_string()), "{said}");
}

#[test]
fn times_have_units() {
    let program = Program::start(&["--timeout", "1.5m", "--drain", "250ms", "--receive", "7"]);
    program.signal("TERM");
    assert!(program.end().0.success());
}
