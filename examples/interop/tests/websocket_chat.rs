//! The `websocket` example: its page in a real browser, and its port to those who are none.
#![forbid(unsafe_code)]

mod util;

use std::io::{Read, Write};

use interop::websocket::{connect, send};
use mainspring::net::TcpStream;
use mainspring::ready;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};
use util::browser::Browser;
use util::program::Program;
use util::soon;
use util::tool::{curl, scratch};

#[test]
fn two_people_talk_in_a_browser_one_of_them_on_a_phone() {
    soon(async {
        let program = Program::start("websocket", &["--threads", "2"]);
        let mut browser = Browser::start().await;
        let desk = browser.open(&program.url("/"), 1280, 800).await;
        browser.wait_for(&desk, "document.getElementById('state')?.textContent === 'connected'").await;
        let phone = browser.open(&program.url("/"), 375, 667).await;
        browser.wait_for(&phone, "document.getElementById('state')?.textContent === 'connected'").await;
        browser.wait_for(&desk, "document.querySelectorAll('#log .news').length === 2").await;

        browser.type_line(&desk, "hello from the desk").await;
        let long = "and a long answer, ".repeat(10) + &"without-a-space".repeat(10);
        browser.wait_for(&phone, "document.getElementById('log').innerText.includes(': hello from the desk')").await;
        browser.type_line(&phone, &long).await;
        browser.type_line(&phone, "<b>not bold</b> 𝄞").await;
        for tab in [&desk, &phone] {
            browser.wait_for(tab, "document.getElementById('log').innerText.includes(': <b>not bold</b> 𝄞')").await;
            let lines = "[...document.querySelectorAll('#log li:not(.news)')].map(line => line.innerText)";
            let lines =
                browser.value(tab, &format!("{lines}.map(line => line.replace(/^[0-9.:]+: /, '')).join('|')")).await;
            assert_eq!(lines, format!("hello from the desk|{long}|<b>not bold</b> 𝄞"));
            // Nothing stands out to the side, and there is an empty field to go on typing in.
            let fits = "document.documentElement.scrollWidth <= innerWidth && document.activeElement.id === 'text'";
            assert_eq!(browser.value(tab, fits).await, true);
            assert_eq!(browser.value(tab, "document.activeElement.value").await, "");
        }
        for (tab, name, width, height) in [(&desk, "desk", 1280_u32, 800_u32), (&phone, "phone", 375, 667)] {
            let picture = browser.screenshot(tab).await;
            // The signature of PNG, and the size in its first chunk.
            assert_eq!(picture[..8], *b"\x89PNG\r\n\x1a\n");
            assert_eq!(picture[16..24], [width.to_be_bytes(), height.to_be_bytes()].concat());
            let path = scratch(&format!("websocket-chat-{name}.png"));
            std::fs::write(&path, picture).unwrap();
            println!("{}", path.display());
        }

        program.terminate();
        browser
            .wait_for(&desk, "document.getElementById('state').textContent === 'closed (1001: the server ends)'")
            .await;
        let (status, last) = program.end();
        assert!(status.success() && last.ends_with("of which 0 failed"), "{last}");
    });
}

#[test]
fn the_page_is_there_for_curl_and_nothing_else_is() {
    let program = Program::start("websocket", &[]);
    let page = curl(&["-i", &program.url("/")]);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"), "{page}");
    assert!(page.ends_with("</html>\n"), "{page}");
    assert!(curl(&["-i", &program.url("/other")]).starts_with("HTTP/1.1 404 "));
    // The path of the socket, without a handshake.
    assert!(curl(&["-i", &program.url("/chat")]).starts_with("HTTP/1.1 404 "));
    assert!(curl(&["-i", "-d", "x", &program.url("/")]).starts_with("HTTP/1.1 400 "));
    for request in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET / HTTP/0.9\r\n\r\n", &[b'x'; 20_000]] {
        let mut peer = program.connect();
        peer.write_all(request).unwrap();
        let mut answer = Vec::new();
        // Why ignored: what was sent beyond its limit was not read, and is answered with a reset.
        let _ = peer.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 400 ") || request.len() > 16_384, "{request:?}: {answer:?}");
    }
    assert!(curl(&[&program.url("/")]).contains("Mainspring chat"));
}

#[test]
fn a_member_that_does_not_read_is_dropped_and_the_others_go_on() {
    soon(async {
        let program = Program::start("websocket", &[]);
        let url = format!("ws://{}/chat", program.address);
        let stream = || async { TcpStream::connect(program.address).await.unwrap() };
        let mut sluggish = connect(&url, stream().await).await.unwrap();
        let mut talker = connect(&url, stream().await).await.unwrap();
        let line = "x".repeat(500);
        let mut dropped = false;
        // Bounded: what the sockets hold is a few thousand lines.
        for _ in 0..100_000 {
            send(&mut talker, Message::text(&line)).await.unwrap();
            loop {
                let Message::Text(heard) = ready(|| talker.read()).await.unwrap() else { continue };
                dropped |= heard.starts_with("* ") && heard.ends_with(" is too far behind");
                if dropped || heard.ends_with(&line) {
                    break;
                }
            }
            if dropped {
                break;
            }
        }
        // What it was sent before it was too late, and then that it was.
        let end = loop {
            match ready(|| sluggish.read()).await {
                Ok(Message::Close(frame)) => break frame,
                Ok(_) => {}
                Err(Error::ConnectionClosed) => panic!("closed without a word"),
                Err(error) => panic!("{error}"),
            }
        };
        let end = end.expect("a code");
        assert_eq!((end.code, end.reason.as_str()), (CloseCode::Away, "too far behind"));
    });
}
