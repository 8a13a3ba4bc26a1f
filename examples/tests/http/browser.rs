//! Chromium without a window, driven by its own protocol over two pipes (`--remote-debugging-pipe`): messages of JSON,
//! each ended by a NUL.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What it is called, on Debian and elsewhere.
const NAMES: [&str; 4] = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/// How long it may take to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: RefCell<ChildStdin>,
    from: Receiver<Value>,
    /// The number of the last command.
    sent: Cell<u64>,
    /// The page's, once there is one.
    session: Option<String>,
    /// What the page has complained of.
    errors: RefCell<Vec<Value>>,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let mut child = NAMES.into_iter().find_map(spawn).unwrap_or_else(|| {
            panic!("no browser can be run, install the package `chromium-headless-shell`: {NAMES:?} are not there")
        });
        let to = RefCell::new(child.stdin.take().expect("stdin is piped"));
        let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, from) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let value = serde_json::from_slice(&message).expect("the browser sends JSON");
                message.clear();
                // Why ignored: a test that has ended hears nothing.
                let _ = sender.send(value);
            }
        });
        let (sent, errors) = (Cell::new(0), RefCell::default());
        let mut browser = Self { child, to, from, sent, session: None, errors };
        let target = browser.command("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.command("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.command(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// The size of the page in pixels, and whether it is dark.
    pub(crate) fn look(&self, width: u32, height: u32, is_dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.command("Emulation.setDeviceMetricsOverride", size);
        let scheme = if is_dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.command("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Opens `url`, and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        let opened = self.command("Page.navigate", json!({ "url": url }));
        assert_eq!(opened.get("errorText"), None, "{url}: {opened}");
        while self.receive()["method"] != "Page.loadEventFired" {}
    }

    /// What `script` comes to in the page; a promise is awaited.
    pub(crate) fn evaluate(&self, script: &str) -> Value {
        let arguments = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.command("Runtime.evaluate", arguments);
        assert_eq!(answer.get("exceptionDetails"), None, "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until `condition`, an expression of the page, holds: it is asked after each change of the page.
    pub(crate) fn wait_for(&self, condition: &str) {
        self.evaluate(&format!(
            "new Promise(done => {{
                const holds = () => ({condition}) ? (done(), true) : false;
                if (!holds()) {{
                    const observer = new MutationObserver(() => holds() && observer.disconnect());
                    observer.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
                }}
            }})"
        ));
    }

    /// Writes what the page looks like, to its end, into a PNG.
    pub(crate) fn screenshot(&self, path: &Path) {
        let shot = self.command("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let data = shot["data"].as_str().expect("a picture");
        std::fs::write(path, base64(data)).expect("the picture is written");
    }

    /// What the page has complained of: errors of its script, and requests that have failed.
    pub(crate) fn errors(&self) -> Vec<Value> {
        // Whatever was said before this is answered has arrived by then.
        self.evaluate("0");
        self.errors.borrow().clone()
    }

    fn command(&self, method: &str, params: Value) -> Value {
        let id = self.sent.get() + 1;
        self.sent.set(id);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.borrow_mut().write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let mut answer = self.receive();
            if answer["id"] == id {
                assert_eq!(answer.get("error"), None, "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    fn receive(&self) -> Value {
        let message = self.from.recv_timeout(PATIENCE).expect("the browser answers");
        let is_error = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => message["params"]["entry"]["level"] == "error",
            _ => false,
        };
        if is_error {
            self.errors.borrow_mut().push(message["params"].clone());
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Why ignored: it may have ended. It takes its own children along.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The browser of that name; none if there is none.
fn spawn(name: &str) -> Option<Child> {
    // Why no sandbox: in a container it may be root, for whom there is none. The page is our own.
    let arguments =
        ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"];
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null", name]);
    command.args(arguments).arg("about:blank");
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).stdout(Stdio::null()).status();
    if !found.expect("sh runs").success() {
        return None;
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    Some(child.unwrap_or_else(|error| panic!("{name} cannot be run: {error}")))
}

/// Decodes RFC 4648, section 4.
fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |byte: &u8| alphabet.iter().position(|known| known == byte).map(|place| place as u32);
    let sextets: Vec<u32> = text.as_bytes().iter().map_while(value).collect();
    let mut bytes = Vec::with_capacity(sextets.len() * 3 / 4);
    for group in sextets.chunks(4) {
        let bits = group.iter().fold(0, |bits, sextet| bits << 6 | sextet) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
