//! A connection that goes on in another protocol, once a served request has asked for it.
#![cfg(feature = "service")]

use std::io::{self, Read, Write};

use mainspring::codec::{Buffer, Decoder, Encoder, Framed, Lines};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::proto::pipeline;
use mainspring::service::service_fn;

/// Lines, of which "raw" and "bye" are the last ones.
#[derive(Default)]
struct Speech {
    lines: Lines,
    /// What was said last.
    last: String,
}

impl Decoder for Speech {
    type Item = String;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<String>> {
        self.lines.decode(buffer)
    }
}

impl Encoder<String> for Speech {
    type Error = io::Error;

    fn encode(&mut self, line: String, output: &mut Vec<u8>) -> io::Result<()> {
        self.lines.encode(&line, output)?;
        self.last = line;
        Ok(())
    }

    fn is_last(&self) -> bool {
        ["raw", "bye"].contains(&&*self.last)
    }

    fn leaves_open(&self) -> bool {
        self.last == "raw"
    }
}

/// Serves `said`, a connection's first words, then sends back what comes behind them in capitals. What the client
/// hears.
fn converse(said: &'static str, later: &'static str) -> (String, io::Result<()>) {
    mainspring::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"raw\n") && !heard.ends_with(b"bye\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                heard.push(byte[0]);
            }
            stream.write_all(later.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.read_to_end(&mut heard).unwrap();
            String::from_utf8(heard).unwrap()
        });
        let (stream, _peer) = listener.accept().await.unwrap();
        let mut framed = Framed::new(stream, Speech::default());
        pipeline::serve(&mut framed, &service_fn(async |line: String| io::Result::Ok(line))).await.unwrap();
        let (stream, codec, buffer) = framed.into_parts();
        let went_on = if codec.leaves_open() { shout(&stream, buffer).await } else { say_more(&stream).await };
        drop(stream);
        (peer.join().unwrap(), went_on)
    })
    .unwrap()
}

/// Writes on, and then waits for the peer to have closed.
async fn say_more(stream: &TcpStream) -> io::Result<()> {
    let written = stream.write_all(b"more").await;
    while stream.read(&mut [0; 64]).await.unwrap() > 0 {}
    written
}

async fn shout(stream: &TcpStream, mut early: Buffer) -> io::Result<()> {
    let mut bytes = early.as_slice().to_vec();
    early.consume(early.len());
    loop {
        stream.write_all(&bytes.to_ascii_uppercase()).await?;
        bytes.resize(64, 0);
        let count = stream.read(&mut bytes).await?;
        bytes.truncate(count);
        if count == 0 {
            return Ok(());
        }
    }
}

#[test]
fn a_codec_that_leaves_it_open_hands_it_over_with_what_has_arrived() {
    let (heard, went_on) = converse("one\nraw\nearly ", "late");
    assert_eq!(heard, "one\nraw\nEARLY LATE");
    went_on.unwrap();
}

#[test]
fn a_last_answer_alone_closes_the_writing_side() {
    let (heard, went_on) = converse("one\nbye\n", "late");
    assert_eq!(heard, "one\nbye\n");
    assert_eq!(went_on.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
