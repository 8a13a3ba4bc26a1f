//! Headless Chromium, by its remote control: JSON in messages of a WebSocket, on a client of Mainspring.
//!
//! The protocol is that of Chrome DevTools, of which a handful of methods is used here. All pages share one connection;
//! each has a session, and an answer the number of its question.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use interop::websocket::{connect, send};
use mainspring::net::TcpStream;
use mainspring::ready;
use mainspring::time::sleep;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::tool::scratch;

/// How often a page is looked at until it shows what is expected, and the pause in between: 20 s.
const LOOKS: u32 = 400;
const PAUSE: Duration = Duration::from_millis(50);

/// A browser, which is killed when the test is over.
pub(crate) struct Browser {
    child: Child,
    control: WebSocket<TcpStream>,
    /// The number of the last question.
    asked: u64,
}

/// A page of it.
pub(crate) struct Tab(String);

impl Browser {
    pub(crate) async fn start() -> Self {
        let folder = scratch(&format!("chromium-{}", std::process::id()));
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--remote-debugging-port=0", &format!("--user-data-dir={}", folder.display()), "about:blank"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("chromium cannot be run, install the package `chromium`: {error}"));
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "chromium has ended before it could be controlled");
            if let Some(url) = line.trim().strip_prefix("DevTools listening on ") {
                break url.to_string();
            }
        };
        // Read on, so that it never has to wait.
        thread::spawn(move || errors.read_to_end(&mut Vec::new()));
        let authority = url.split('/').nth(2).expect("ws://authority/path").to_string();
        let stream = TcpStream::connect(authority.as_str()).await.unwrap();
        Self { child, control: connect(&url, stream).await.unwrap(), asked: 0 }
    }

    /// Asks, and waits for the answer; events that come in between are none.
    async fn ask(&mut self, tab: Option<&Tab>, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(Tab(session)) = tab {
            question["sessionId"] = json!(session);
        }
        send(&mut self.control, Message::text(question.to_string())).await.unwrap();
        loop {
            let Message::Text(text) = ready(|| self.control.read()).await.unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.asked {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
        }
    }

    /// Opens a page as wide and high as this.
    pub(crate) async fn open(&mut self, url: &str, width: u32, height: u32) -> Tab {
        let target = self.ask(None, "Target.createTarget", json!({ "url": "about:blank" })).await["targetId"].take();
        let attached = self.ask(None, "Target.attachToTarget", json!({ "targetId": target, "flatten": true })).await;
        let tab = Tab(attached["sessionId"].as_str().unwrap().to_string());
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask(Some(&tab), "Emulation.setDeviceMetricsOverride", size).await;
        self.ask(Some(&tab), "Page.navigate", json!({ "url": url })).await;
        tab
    }

    /// The value of an expression of JavaScript.
    pub(crate) async fn value(&mut self, tab: &Tab, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        self.ask(Some(tab), "Runtime.evaluate", parameters).await["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub(crate) async fn wait_for(&mut self, tab: &Tab, expression: &str) {
        for _ in 0..LOOKS {
            if self.value(tab, expression).await == true {
                return;
            }
            sleep(PAUSE).await;
        }
        let page = self.value(tab, "document.documentElement.innerText").await;
        panic!("{expression} has not come true; the page says {page}");
    }

    /// Types a text where the cursor is, and Enter.
    pub(crate) async fn type_line(&mut self, tab: &Tab, text: &str) {
        self.ask(Some(tab), "Input.insertText", json!({ "text": text })).await;
        for kind in ["keyDown", "keyUp"] {
            let key =
                json!({ "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
            self.ask(Some(tab), "Input.dispatchKeyEvent", key).await;
        }
    }

    /// A picture of the page, in PNG.
    pub(crate) async fn screenshot(&mut self, tab: &Tab) -> Vec<u8> {
        let picture = self.ask(Some(tab), "Page.captureScreenshot", json!({ "format": "png" })).await;
        data_encoding::BASE64.decode(picture["data"].as_str().unwrap().as_bytes()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
