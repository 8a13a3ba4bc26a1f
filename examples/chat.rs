//! A chat: each line that a client sends goes to all the others.
//!
//! ```text
//! cargo run --release --example chat
//! nc 127.0.0.1 7001        (in two terminals; the first line is the name)
//! ```
//!
//! One task, the room, knows the members. Connections, on any thread, send it events over a bounded channel, and each has a
//! bounded queue of lines of its own. A full channel holds up the senders; a full queue means that its reader is too slow,
//! and the room drops the member rather than storing more or waiting for it.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use clap::{Parser, value_parser};
use mainspring::channel::{mpsc, oneshot};
use mainspring::codec::{Framed, Lines};
use mainspring::server::{Connection, Server};
use mainspring::signal::{ctrl_c, terminate};
use mainspring::time::timeout;

/// The longest line, in bytes. With `QUEUE`, a member holds at most 64 KiB of lines, which it shares with the others.
const LINE: usize = 1024;

/// Lines that a member may be behind.
const QUEUE: usize = 64;

/// Events that wait for the room, all connections together; more hold up those who send them.
const EVENTS: usize = 1024;

/// A chat over lines of text. The first line that a client sends is its name.
#[derive(Parser)]
struct Options {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 7001)]
    port: u16,
    /// Threads, each with a reactor of its own
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=1024))]
    threads: u16,
}

/// What happens on a connection, which is known by the address of its peer.
enum Event {
    Joined(String, Member),
    Said(String),
    Left,
}

/// What the room has of a member. Dropping it ends the connection.
struct Member {
    queue: mpsc::Sender<Arc<str>>,
    /// Never sent: the other end resolves when it is dropped.
    _membership: oneshot::Sender<()>,
}

/// The members, and the events that are still to come.
#[derive(Default)]
struct Room {
    members: HashMap<SocketAddr, (String, Member)>,
}

impl Room {
    async fn run(mut self, mut events: mpsc::Receiver<(SocketAddr, Event)>) {
        while let Some((from, event)) = events.recv().await {
            match event {
                Event::Joined(name, member) => self.join(from, name, member).await,
                Event::Said(line) => {
                    if let Some((name, _)) = self.members.get(&from) {
                        let line = format!("{name}: {line}");
                        self.tell_others(from, line).await;
                    }
                }
                Event::Left => self.leave(from, "left").await,
            }
        }
    }

    async fn join(&mut self, from: SocketAddr, wanted: String, member: Member) {
        let mut name = wanted.clone();
        let mut copies = 1;
        while self.members.values().any(|(taken, _)| *taken == name) {
            copies += 1;
            name = format!("{wanted}-{copies}");
        }
        let others: Vec<_> = self.members.values().map(|(name, _)| name.as_str()).collect();
        // Why ignored: a queue that is new has room, and a connection that is gone says so by `Left`.
        let _ = member.queue.try_send(format!("* you are {name}; here: {}", others.join(", ")).into());
        let joined = format!("* {name} joined");
        self.members.insert(from, (name, member));
        self.tell_others(from, joined).await;
    }

    async fn leave(&mut self, from: SocketAddr, how: &str) {
        if let Some((name, _)) = self.members.remove(&from) {
            Box::pin(self.tell_others(from, format!("* {name} {how}"))).await;
        }
    }
}
