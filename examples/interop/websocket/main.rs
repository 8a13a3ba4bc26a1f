//! A chat in the browser: the page and its WebSocket on one port, by tungstenite on a stream of Mainspring.
//!
//! ```text
//! cargo run --release -p interop --example websocket
//! xdg-open http://127.0.0.1:8080/
//! ```
//!
//! What one says, all hear, the speaker too. A member that is more than 64 lines behind is dropped: storing more has no
//! bound, and waiting would hold up everyone. Ctrl-C or SIGTERM closes the connections as "going away". How a request
//! becomes a page or a WebSocket stands in [`interop::entrance`].
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use clap::Parser;
use examples::options::Listen;
use examples::stop;
use interop::entrance::{Page, enter};
use interop::websocket::send;
use mainspring::channel::mpsc;
use mainspring::ready;
use mainspring::server::{Connection, Draining, Server};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, Utf8Bytes, WebSocket};

/// What a browser gets.
const PAGES: [Page; 1] = [Page { path: "/", kind: "text/html", body: include_str!("chat.html") }];

/// Where its WebSocket is.
const SOCKET: &str = "/chat";

/// Lines that a member may be behind.
const QUEUE: usize = 64;

/// Characters of a line, as the page has it.
const LINE: usize = 500;

/// How long the members may take to answer when the server closes.
const CLOSING: Duration = Duration::from_secs(2);

/// A chat in the browser.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    listen: Listen,
}

/// The members, on whichever thread each is, by their address. Held for no longer than it takes to fill queues.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<HashMap<SocketAddr, mpsc::Sender<Utf8Bytes>>>>);

impl Room {
    fn join(&self, peer: SocketAddr) -> mpsc::Receiver<Utf8Bytes> {
        let (queue, inbox) = mpsc::bounded(QUEUE);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, queue);
        self.tell(&format!("* {peer} joined"));
        inbox
    }

    fn leave(&self, peer: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
        self.tell(&format!("* {peer} left"));
    }

    /// Tells everyone. Whoever is too far behind is dropped, which ends its connection, and is news as well.
    fn tell(&self, line: &str) {
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = vec![Utf8Bytes::from(line)];
        while let Some(line) = news.pop() {
            members.retain(|peer, queue| {
                let told = queue.try_send(line.clone()).is_ok();
                if !told {
                    news.push(format!("* {peer} is too far behind").into());
                }
                told
            });
        }
    }
}

/// What happens to a member.
enum Event {
    Says(Message),
    Hears(Utf8Bytes),
    /// The server ends, or the room has had enough of it.
    Ends(&'static str),
}

type Socket = WebSocket<mainspring::net::TcpStream>;

async fn next(
    socket: &mut Socket,
    inbox: &mut mpsc::Receiver<Utf8Bytes>,
    draining: &mut Draining,
) -> Result<Event, Error> {
    let mut reading = ready(|| socket.read());
    poll_fn(|cx| {
        if Pin::new(&mut *draining).poll(cx).is_ready() {
            return Poll::Ready(Ok(Event::Ends("the server ends")));
        }
        if let Poll::Ready(line) = inbox.poll_recv(cx) {
            return Poll::Ready(Ok(line.map_or(Event::Ends("too far behind"), Event::Hears)));
        }
        Pin::new(&mut reading).poll(cx).map(|message| message.map(Event::Says))
    })
    .await
}

/// A member's life, until an error ends it: `ConnectionClosed` when all went well.
async fn live(
    socket: &mut Socket,
    room: &Room,
    inbox: &mut mpsc::Receiver<Utf8Bytes>,
    draining: &mut Draining,
    peer: SocketAddr,
) -> Result<(), Error> {
    let reason = loop {
        match next(socket, inbox, draining).await? {
            Event::Says(Message::Text(text)) => {
                let line: String = text.chars().filter(|char| !char.is_control()).take(LINE).collect();
                room.tell(&format!("{peer}: {line}"));
            }
            Event::Says(_) => {}
            Event::Hears(line) => send(socket, Message::Text(line)).await?,
            Event::Ends(reason) => break reason,
        }
    };
    let reason = Utf8Bytes::from_static(reason);
    ready(|| socket.close(Some(CloseFrame { code: CloseCode::Away, reason: reason.clone() }))).await?;
    loop {
        ready(|| socket.read()).await?;
    }
}

async fn serve(connection: Connection, room: Room) -> io::Result<()> {
    let Connection { stream, peer, mut draining, .. } = connection;
    let entered = enter(stream, &mut draining, SOCKET, &PAGES).await.map_err(io::Error::other)?;
    let Some(mut socket) = entered else { return Ok(()) };
    let mut inbox = room.join(peer);
    let end = live(&mut socket, &room, &mut inbox, &mut draining, peer).await;
    room.leave(peer);
    match end {
        Err(Error::ConnectionClosed) => Ok(()),
        end => end.map_err(io::Error::other),
    }
}

fn run(options: &Options) -> io::Result<()> {
    let server = options.listen.bind(Server::builder().drain(CLOSING))?;
    eprintln!("listening on http://{}", server.local_addr());
    let room = Room::default();
    let make = move || {
        let room = room.clone();
        move |connection: Connection| {
            let (peer, room) = (connection.peer, room.clone());
            async move { serve(connection, room).await.inspect_err(|error| eprintln!("{peer}: {error}")) }
        }
    };
    let drained = server.run(make, stop())?;
    eprintln!("served {} connections, of which {} failed", drained.served, drained.failed);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("websocket: {error}");
            ExitCode::FAILURE
        }
    }
}
