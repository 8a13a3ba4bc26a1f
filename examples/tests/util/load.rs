//! Clients that ask without end, and what becomes of what they ask.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::program::PATIENCE;

/// Clients, each with one request in flight.
pub(crate) const THREADS: usize = 16;

/// A client on one connection.
pub(crate) struct Peer {
    pub(crate) stream: BufReader<TcpStream>,
}

/// What it was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the proxy listens")
    }

    fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("room");
    }

    /// Asks, and waits for the answer. The error of one that has begun is `InvalidData`.
    pub(crate) fn ask(&mut self, method: &str, target: &str) -> io::Result<Answer> {
        let body = if method == "POST" { "Content-Length: 1\r\n\r\nx" } else { "\r\n" };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                let kind = if head.is_empty() { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
                return Err(kind.into());
            }
        }
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, head.clone());
        let status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(malformed)?;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.and_then(|length| length.parse().ok()).ok_or_else(malformed)?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Answer { status, head, body })
    }
}

/// What has become of all requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Good answers, of the servers `a`, `b` and `c`.
    pub(crate) answers: [usize; 3],
    /// `GET`s that were answered with an error.
    pub(crate) failed_repeatable: usize,
    /// `POST`s that were.
    pub(crate) failed_others: usize,
    /// Answers that were begun and not finished.
    pub(crate) cut_off: usize,
}

impl Counts {
    /// How many were asked.
    pub(crate) fn asked(&self) -> usize {
        self.answers.iter().sum::<usize>() + self.failed_repeatable + self.failed_others + self.cut_off
    }

    fn add(&mut self, method: &str, answer: &io::Result<Answer>) {
        match answer {
            Ok(answer) if answer.status == 200 => {
                let name = answer.body.first().map_or(0, |name| name.wrapping_sub(b'a'));
                self.answers[usize::from(name)] += 1;
            }
            Ok(answer) => {
                println!("{method} was answered with {}", answer.status);
                *(if method == "GET" { &mut self.failed_repeatable } else { &mut self.failed_others }) += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => self.cut_off += 1,
            // A connection that has closed before anything of an answer: the proxy ends.
            Err(_) => {}
        }
    }
}

/// Clients at work: three of four requests are `GET`s, the others `POST`s.
pub(crate) struct Load {
    counts: Arc<Mutex<Counts>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let (counts, is_over) = (Arc::new(Mutex::new(Counts::default())), Arc::new(AtomicBool::new(false)));
        let client = |_| {
            let (counts, is_over) = (counts.clone(), is_over.clone());
            thread::spawn(move || ask_without_end(address, &counts, &is_over))
        };
        let threads = (0..THREADS).map(client).collect();
        Self { counts, is_over, threads }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().expect("no panic").clone()
    }

    /// Waits until the counts are as wanted.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Counts) -> bool) {
        let start = Instant::now();
        while !is_so(&self.counts()) {
            assert!(start.elapsed() < PATIENCE, "it never comes to pass that {what}: {:?}", self.counts());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the clients, and says what they have come to.
    pub(crate) fn end(self) -> Counts {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no panic");
        }
        self.counts.lock().expect("no panic").clone()
    }
}

/// Until it is over, or nobody listens any more.
fn ask_without_end(address: SocketAddr, counts: &Mutex<Counts>, is_over: &AtomicBool) {
    while let Ok(mut peer) = Peer::try_connect(address) {
        for number in 1_u32.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let method = if number % 4 == 0 { "POST" } else { "GET" };
            let answer = peer.ask(method, "/");
            counts.lock().expect("no panic").add(method, &answer);
            if answer.is_err() {
                break;
            }
        }
    }
}
