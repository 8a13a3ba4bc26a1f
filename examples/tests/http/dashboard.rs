//! The dashboard: its events as curl hears them, and the page as a browser shows it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::browser::Browser;
use super::peer::Peer;
use super::program::{AT_ONCE, Program};
use super::tool::scratch;

/// curl, which listens to the events until it is dropped.
struct Listener {
    curl: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Listener {
    fn start(program: &Program) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--no-buffer", "--include", "--max-time", "60"]);
        let curl = command.arg(program.url("/events")).stdout(Stdio::piped()).spawn();
        let mut curl = curl.unwrap_or_else(|error| panic!("curl cannot be run, install the package `curl`: {error}"));
        let lines = BufReader::new(curl.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
        Self { curl, lines: Box::new(lines) }
    }

    /// The data of the next event; none behind the last one.
    fn next(&mut self) -> Option<Value> {
        let data = self.lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned))?;
        Some(serde_json::from_str(&data).expect("an event is JSON"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Why ignored: it may have ended.
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

#[test]
fn events_tell_what_has_happened_since_the_one_before() {
    let program = Program::start(&[]);
    let mut listener = Listener::start(&program);
    let head: Vec<String> = listener.lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert_eq!(head[0], "HTTP/1.1 200 OK");
    assert!(head.contains(&"Content-Type: text/event-stream".to_owned()), "{head:?}");
    assert!(!head.iter().any(|line| line.starts_with("Content-Length")), "{head:?}");

    let first = listener.next().expect("an event");
    let mut peer = Peer::connect(&program);
    for _ in 0..10 {
        peer.send("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(peer.answer().status(), 200);
    }
    let number = |event: &Value, name: &str| event.pointer(name).and_then(Value::as_f64).expect("a number");
    // An event comes each second, and may come while some are not answered yet.
    let is_enough = |event: &Value| number(event, "/answered") - number(&first, "/answered") >= 10.0;
    let second = (0..60).find_map(|_| listener.next().filter(is_enough)).expect("an event after the last answer");
    assert!(number(&second, "/seconds") > number(&first, "/seconds"));
    assert_eq!(number(&second, "/answered") - number(&first, "/answered"), 10.0);
    assert_eq!((number(&first, "/connections"), number(&second, "/connections")), (1.0, 2.0));
    assert!(number(&second, "/reactor/polls") >= number(&first, "/reactor/polls") + 10.0);
    let latencies = second["latencies"].as_array().expect("counts");
    let counted: u64 = latencies.iter().filter_map(Value::as_u64).sum();
    assert_eq!(counted as f64, number(&second, "/answered"));
}

#[test]
fn a_listener_that_goes_away_is_forgotten() {
    let program = Program::start(&[]);
    let mut first = Listener::start(&program);
    first.next().expect("an event");
    let mut second = Listener::start(&program);
    assert_eq!(second.next().expect("an event")["connections"], 2);
    drop(first);
    let left = (0..20).map(|_| second.next().expect("an event")).find(|event| event["connections"] == 1);
    assert!(left.is_some(), "its connection is still there 10 s later");
}

#[test]
fn nothing_is_answered_behind_the_events_and_head_has_none() {
    let program = Program::start(&[]);
    let mut peer = Peer::connect(&program);
    peer.send("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = peer.answer();
    assert_eq!((answer.status(), answer.field("Connection")), (200, Some("close")));
    peer.expect_end();

    let mut peer = Peer::connect(&program);
    peer.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(peer.answer().status(), 200);
    peer.send("anything");
    let rest = String::from_utf8(peer.read_to_end()).expect("text");
    assert!(rest.starts_with("retry: 1000\n\ndata: {") && !rest.contains("HTTP/1.1"), "{rest}");
}

#[test]
fn the_end_of_the_service_is_that_of_the_events() {
    let program = Program::start(&[]);
    let mut listener = Listener::start(&program);
    listener.next().expect("an event");
    program.signal("TERM");
    let (status, said, took) = program.end();
    assert!(status.success(), "{said}");
    assert!(said.contains("1 of them finished while stopping, 0 cut off"), "{said}");
    assert!(took < AT_ONCE, "it took {took:?}");
    while listener.next().is_some() {}
}

#[test]
fn a_browser_sees_it_live_on_a_desk_and_on_a_phone() {
    let program = Program::start(&[]);
    let browser = Browser::start();
    let mut shots = Vec::new();
    for (name, width, height, is_dark) in [("desk", 1280, 800, false), ("phone", 360, 740, true)] {
        browser.look(width, height, is_dark);
        browser.open(&program.url("/"));
        // Rates, so at least two events were heard.
        browser.wait_for(
            "document.querySelector('[data-of=turns]')?.parentNode.querySelector('polyline').points.length > 1",
        );
        assert_eq!(browser.evaluate("document.querySelector('#state').textContent"), "live");

        browser.evaluate("document.querySelector('details').open = true; document.querySelector('#load').click()");
        browser.wait_for("document.querySelector('#outcome').textContent.startsWith('1,000 requests in')");
        let outcome = browser.evaluate("document.querySelector('#outcome').textContent");
        assert!(outcome.as_str().is_some_and(|text| text.ends_with(" 0 failed.")), "{outcome}");
        browser.wait_for("Number(document.querySelector('#answered').textContent.replace(',', '')) > 1000");
        let bars =
            browser.evaluate("[...document.querySelectorAll('#bars div')].filter(bar => bar.clientHeight > 20).length");
        assert!(bars.as_u64() > Some(0), "no bar is to be seen");

        let wider = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wider, 0, "{name}: pixels that have to be scrolled to");
        let bright = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 127");
        assert_eq!(bright, !is_dark, "{name}");
        let origins =
            browser.evaluate("performance.getEntriesByType('resource').every(e => e.name.startsWith(origin + '/'))");
        assert_eq!(origins, true, "{name}: something came from elsewhere");

        let path = scratch(&format!("dashboard-{name}.png"));
        browser.screenshot(&path);
        shots.push(path);
    }
    assert_eq!(browser.errors(), [] as [Value; 0]);
    println!("pictures: {shots:?}");

    program.signal("TERM");
    browser.wait_for("document.querySelector('#state').textContent.startsWith('not connected')");
    assert!(program.end().0.success());
}
