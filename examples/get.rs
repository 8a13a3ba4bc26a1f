//! An HTTP client: prints the head of the answer to stderr, and its body to stdout.
//!
//! ```text
//! cargo run --release --example get -- http://127.0.0.1:8080/ --timeout 500ms
//! ```
//!
//! The client is a `Service` from an address to an answer, behind the `Timeout` that servers use for theirs. It makes
//! one request per connection and follows no redirect. An answer other than 2xx is a failure, as is a body that is cut
//! short.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use examples::options::duration;
use httparse::{EMPTY_HEADER, Header, Status};
use mainspring::net::TcpStream;
use mainspring::service::{Service, ServiceExt};
use mainspring::time::Elapsed;

/// The longest head, size of a chunk or trailer, in bytes: what servers commonly send at most.
const HEAD: usize = 64 * 1024;

/// Header fields in a head or a trailer.
const HEADERS: usize = 100;

/// The longest body, in bytes: it is kept in memory.
const BODY: usize = 64 * 1024 * 1024;

/// Bytes per read.
const READ: usize = 16 * 1024;

/// Gets a page by HTTP/1.1.
#[derive(Parser)]
struct Options {
    /// The address of the page: http://HOST[:PORT][/PATH]
    url: Url,
    /// How long all of it may take: 500ms, 5s, 2m
    #[arg(long, default_value = "5s", value_parser = duration)]
    timeout: Duration,
}

#[derive(Clone)]
struct Url {
    text: String,
    /// As the `Host` header names it.
    authority: String,
    host: String,
    port: u16,
    /// The path and the query.
    target: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(bad) = text.chars().find(|character| !character.is_ascii_graphic()) {
            return Err(format!("{bad:?} has to be escaped"));
        }
        let rest = text.strip_prefix("http://").ok_or("it does not begin with http://")?;
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("{port:?} is not a port"))?)
            }
            _ => (authority, 80),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || host.contains('@') || (bare.is_none() && host.contains(':')) {
            return Err(format!("{host:?} is not a host"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            text: text.to_owned(),
            authority: authority.to_owned(),
            host: bare.unwrap_or(host).to_owned(),
            port,
            target: format!("{slash}{target}"),
        })
    }
}

struct Answer {
    head: Head,
    body: Vec<u8>,
}

struct Head {
    status: u16,
    /// All of it, as it arrived.
    text: String,
    framing: Framing,
}

/// Where a body ends (RFC 9112, section 6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

/// The client.
struct Http;

impl Service<Url> for Http {
    type Response = Answer;
    type Error = io::Error;

    async fn call(&self, url: Url) -> io::Result<Answer> {
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: mainspring-get\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            url.target, url.authority
        );
        stream.write_all(request.as_bytes()).await?;

        let mut incoming = Incoming { stream, bytes: Vec::new() };
        let mut head = incoming.take("the head", HEAD, parse_head).await?;
        while (100..200).contains(&head.status) {
            // Not the answer yet, however many of these come before the timeout.
            head = incoming.take("the head", HEAD, parse_head).await?;
        }
        let body = incoming.body(&head.framing).await?;
        Ok(Answer { head, body })
    }
}

/// What comes in.
struct Incoming {
    stream: TcpStream,
    /// What has arrived and was not taken.
    bytes: Vec<u8>,
}

impl Incoming {
    /// Reads once. False at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        let start = self.bytes.len();
        self.bytes.resize(start + READ, 0);
        let count = self.stream.read(&mut self.bytes[start..]).await?;
        self.bytes.truncate(start + count);
        Ok(count > 0)
    }

    /// Reads until `parse` answers with a value and the number of bytes that it stands in, and takes these off the
    /// front.
    async fn take<T, F>(&mut self, what: &str, limit: usize, parse: F) -> io::Result<T>
    where
        F: Fn(&[u8]) -> io::Result<Option<(usize, T)>>,
    {
        loop {
            if let Some((length, value)) = parse(&self.bytes)? {
                self.bytes.drain(..length);
                return Ok(value);
            }
            if self.bytes.len() > limit {
                return Err(invalid(format!("{what} is longer than {limit} bytes")));
            }
            if !self.fill().await? {
                let message = format!("the connection ended inside {what}, after {} bytes of it", self.bytes.len());
                return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
            }
        }
    }

    async fn body(&mut self, framing: &Framing) -> io::Result<Vec<u8>> {
        match *framing {
            Framing::Length(length) => {
                let whole = |bytes: &[u8]| Ok(bytes.get(..length).map(|body| (length, body.to_vec())));
                self.take("the body", length, whole).await
            }
            Framing::Chunked => self.chunks().await,
            Framing::UntilEnd => {
                while self.fill().await? {
                    check_length(self.bytes.len())?;
                }
                Ok(std::mem::take(&mut self.bytes))
            }
        }
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.take("the size of a chunk", HEAD, parse_chunk_size).await?;
            if size == 0 {
                self.take("the trailer", HEAD, parse_trailer).await?;
                return Ok(body);
            }
            check_length(size.saturating_add(body.len()))?;
            let chunk = |bytes: &[u8]| match bytes.get(..size + 2).map(|chunk| chunk.split_at(size)) {
                Some((chunk, b"\r\n")) => Ok(Some((size + 2, chunk.to_vec()))),
                Some(_) => Err(invalid(format!("a chunk is longer than its size, {size}"))),
                None => Ok(None),
            };
            body.extend(self.take("a chunk", size + 2, chunk).await?);
        }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(usize, Head)>> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Status::Complete(length) = response.parse(bytes).map_err(malformed)? else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let framing = framing(status, response.headers)?;
    Ok(Some((length, Head { status, text: String::from_utf8_lossy(&bytes[..length]).into_owned(), framing })))
}

fn framing(status: u16, headers: &[Header<'_>]) -> io::Result<Framing> {
    let values = |name: &'static str| {
        let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    if matches!(status, 100..200 | 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if let Some(coding) = values("transfer-encoding").next() {
        return match coding.eq_ignore_ascii_case("chunked") {
            true => Ok(Framing::Chunked),
            false => Err(invalid(format!("the transfer coding {coding:?} is not known"))),
        };
    }
    let mut lengths = values("content-length");
    let Some(length) = lengths.next() else { return Ok(Framing::UntilEnd) };
    if let Some(other) = lengths.find(|other| *other != length) {
        return Err(invalid(format!("the body has two lengths, {length:?} and {other:?}")));
    }
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = length.parse().ok().filter(|_| digits);
    let bytes = bytes.ok_or_else(|| invalid(format!("{length:?} is not the length of a body")))?;
    check_length(bytes)?;
    Ok(Framing::Length(bytes))
}

fn parse_chunk_size(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    match httparse::parse_chunk_size(bytes) {
        Ok(Status::Complete((length, size))) => Ok(Some((length, usize::try_from(size).unwrap_or(usize::MAX)))),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(invalid("the size of a chunk is malformed".into())),
    }
}

fn parse_trailer(bytes: &[u8]) -> io::Result<Option<(usize, ())>> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    Ok(match httparse::parse_headers(bytes, &mut headers).map_err(malformed)? {
        Status::Complete((length, _)) => Some((length, ())),
        Status::Partial => None,
    })
}

fn check_length(length: usize) -> io::Result<()> {
    if length > BODY { Err(invalid(format!("the body is longer than {BODY} bytes"))) } else { Ok(()) }
}

fn malformed(error: httparse::Error) -> io::Error {
    invalid(format!("what arrived is not HTTP/1.1: {error}"))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

fn get(options: &Options) -> io::Result<u16> {
    let client = Http.timeout(options.timeout);
    let answer = mainspring::run(client.call(options.url.clone()))?.map_err(|error| {
        match error.get_ref().is_some_and(|cause| cause.is::<Elapsed>()) {
            true => io::Error::new(ErrorKind::TimedOut, format!("no whole answer within {:?}", options.timeout)),
            false => error,
        }
    })?;
    eprint!("{}", answer.head.text);
    io::stdout().write_all(&answer.body)?;
    io::stdout().flush()?;
    Ok(answer.head.status)
}

fn main() -> ExitCode {
    let options = Options::parse();
    match get(&options) {
        Ok(200..300) => return ExitCode::SUCCESS,
        Ok(status) => eprintln!("get: {}: the answer has status {status}", options.url.text),
        Err(error) => eprintln!("get: {}: {error}", options.url.text),
    }
    ExitCode::FAILURE
}
