//! A chat: each line that a client sends goes to all the others.
//!
//! ```text
//! cargo run --release --example chat
//! nc 127.0.0.1 7001        (in two terminals; the first line is the name)
//! ```
//!
//! One task, the room, knows the members. Connections, on any thread, send it events over a bounded channel, and each
//! has a bounded queue of lines of its own. A full channel holds up the senders. A queue that stays full means that its
//! reader is too slow, and the room drops the member: storing more has no bound, and waiting longer would hold up
//! everyone.
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

use clap::Parser;
use examples::options::Listen;
use examples::stop;
use mainspring::channel::{mpsc, oneshot};
use mainspring::codec::{Framed, Lines};
use mainspring::server::{Connection, Server};
use mainspring::time::timeout;

/// The longest line, in bytes. With `QUEUE`, a member holds at most 64 KiB of lines, which it shares with the others.
const LINE: usize = 1024;

/// The longest name, in characters.
const NAME: usize = 32;

/// Lines that a member may be behind.
const QUEUE: usize = 64;

/// How long the room waits for a queue that is full: enough for another thread to send a burst of lines on.
const PATIENCE: Duration = Duration::from_millis(100);

/// Events that wait for the room, all connections together; more hold up those who send them.
const EVENTS: usize = 1024;

/// How long a member may say nothing.
const IDLE: Duration = Duration::from_secs(3600);

/// A chat over lines of text. The first line that a client sends is its name.
#[derive(Parser)]
#[command(mut_arg("port", |port| port.default_value("7001")))]
struct Options {
    #[command(flatten)]
    listen: Listen,
}

/// What happens on a connection, which the room knows by the address of its peer.
enum Event {
    Joined(String, Member),
    Said(String),
    Left,
}

/// What the room has of a member. Dropping it ends the connection.
struct Member {
    queue: mpsc::Sender<Arc<str>>,
    /// Never sent: its receiver hears that it is dropped.
    _membership: oneshot::Sender<()>,
}

impl Member {
    /// False if its queue stays full. A connection that has ended says so by an event of its own.
    async fn take(&self, line: Arc<str>) -> bool {
        timeout(PATIENCE, self.queue.send(line)).await.is_ok()
    }
}

/// The members by their address, with their names.
#[derive(Default)]
struct Room(HashMap<SocketAddr, (String, Member)>);

impl Room {
    async fn run(mut self, mut events: mpsc::Receiver<(SocketAddr, Event)>) {
        while let Some((from, event)) = events.recv().await {
            let news = match event {
                Event::Joined(name, member) => Some(self.join(from, name, member).await),
                Event::Said(line) => self.0.get(&from).map(|(name, _)| format!("{name}: {line}")),
                Event::Left => self.0.remove(&from).map(|(name, _)| format!("* {name} left")),
            };
            if let Some(news) = news {
                self.tell_others(from, news).await;
            }
        }
    }

    async fn join(&mut self, from: SocketAddr, wanted: String, member: Member) -> String {
        let mut name = wanted.clone();
        let mut copies = 1;
        while self.0.values().any(|(taken, _)| *taken == name) {
            copies += 1;
            name = format!("{wanted}-{copies}");
        }
        let others: Vec<_> = self.0.values().map(|(name, _)| name.as_str()).collect();
        member.take(format!("* you are {name}; here: {}", others.join(", ")).into()).await;
        let news = format!("* {name} joined");
        self.0.insert(from, (name, member));
        news
    }

    /// Tells everyone but `from`. Members that are too slow to be told are dropped, and that is news as well.
    async fn tell_others(&mut self, from: SocketAddr, news: String) {
        let mut untold: Vec<(SocketAddr, Arc<str>)> = vec![(from, news.into())];
        while let Some((from, news)) = untold.pop() {
            let mut slow = Vec::new();
            for (&peer, (_, member)) in &self.0 {
                if peer != from && !member.take(news.clone()).await {
                    slow.push(peer);
                }
            }
            let dropped = slow.into_iter().filter_map(|peer| self.0.remove_entry(&peer));
            untold.extend(dropped.map(|(peer, (name, _))| (peer, format!("* {name} was too slow").into())));
        }
    }
}

/// The life of a connection: it receives and sends side by side, until it or the room has had enough.
async fn chat(connection: Connection, room: mpsc::Sender<(SocketAddr, Event)>) -> io::Result<()> {
    let Connection { stream, peer, draining, .. } = connection;
    let (queue, mut inbox) = mpsc::bounded(QUEUE);
    let (membership, membership_ended) = oneshot::channel();
    let member = Member { queue: queue.clone(), _membership: membership };

    let receive = pin!(async {
        let mut lines = Framed::new(&stream, Lines::new().max_length(LINE));
        let Some(name) = lines.next().await else { return Ok(()) };
        let name: String = printable(name?.trim()).chars().take(NAME).collect();
        let name = if name.is_empty() { "guest".into() } else { name };
        room.send((peer, Event::Joined(name, member))).await?;
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => room.send((peer, Event::Said(printable(&line)))).await?,
                // The codec has found the next line: this one concerns its sender alone.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    queue.send(format!("* not sent: {error}").into()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    let send = pin!(async {
        let mut lines = Framed::new(&stream, Lines::new());
        while let Some(line) = inbox.recv().await {
            lines.ready().await?;
            lines.start_send(line)?;
            if inbox.is_empty() {
                lines.flush().await?;
            }
        }
        Ok(())
    });
    let dropped = pin!(async {
        // Why ignored: nothing is ever sent.
        let _ = membership_ended.await;
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("{peer} reads too slowly")))
    });
    let stopping = pin!(async {
        draining.clone().await;
        Ok(())
    });
    let end = first([receive, send, dropped, stopping]).await;
    if !draining.is_draining() {
        room.send((peer, Event::Left)).await?;
    }
    end
}

/// The text without control characters, which would reach the terminals of others.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// Polls the futures in their order until one is ready.
async fn first<T, const N: usize>(mut futures: [Pin<&mut dyn Future<Output = T>>; N]) -> T {
    poll_fn(|cx| {
        let mut polled = futures.iter_mut().map(|future| future.as_mut().poll(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

fn run(options: &Options) -> io::Result<()> {
    let (room, events) = mpsc::bounded(EVENTS);
    let server = options.listen.bind(Server::builder().idle(Some(IDLE)))?;
    eprintln!("chat on {}", server.local_addr());
    let make = move || {
        let room = room.clone();
        move |connection| chat(connection, room.clone())
    };
    let drained = server.run(make, async {
        mainspring::spawn(Room::default().run(events));
        stop().await;
    })?;
    eprintln!("served {} connections, of which {} failed", drained.served, drained.failed);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}
