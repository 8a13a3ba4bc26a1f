//! What wrk measures: here only that nothing fails. An answer that comes late is none of its errors here.

use super::program::Program;
use super::tool::{self, scratch};

fn wrk(program: &Program, arguments: &[&str]) {
    let url = program.url("/plaintext");
    let report = tool::run("wrk", &[&["-t1", "-d2s", "--timeout", "60s"], arguments, &[&url]].concat());
    let requests = report.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: u64 = requests.and_then(|(count, _)| count.parse().ok()).unwrap_or_else(|| panic!("{report}"));
    assert!(requests > 0, "{report}");
    assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
}

#[test]
fn sixty_four_connections_meet_no_error() {
    wrk(&Program::start(&[]), &["-c64"]);
}

#[test]
fn a_thousand_connections_meet_no_error() {
    wrk(&Program::start(&["--plaintext"]), &["-c1000"]);
}

#[test]
fn connections_over_two_threads_meet_no_error() {
    wrk(&Program::start(&["--threads", "2"]), &["-c64"]);
}

#[test]
fn pipelined_requests_meet_no_error() {
    let script = scratch("pipeline.lua");
    let text = "
        init = function(args)
            local one = wrk.format('GET', '/plaintext')
            sixteen = string.rep(one, 16)
        end
        request = function() return sixteen end
    ";
    std::fs::write(&script, text).expect("the script is written");
    wrk(&Program::start(&[]), &["-c64", "-s", &script.display().to_string()]);
}
