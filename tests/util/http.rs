//! As much of HTTP/1.1 as a test needs: requests with a `Content-Length`, answered with their body.
use std::io::{self, ErrorKind, Read, Write};

use mainspring::codec::{Buffer, Decoder, Encoder};
use mainspring::service::Service;

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// The codec of a server. Bodies stand for messages.
pub(crate) struct Http;

impl Decoder for Http {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Vec<u8>>> {
        let bytes = buffer.as_slice();
        let Some(head) = bytes.windows(END.len()).position(|window| window == END) else { return Ok(None) };
        let length = length(&bytes[..head])?;
        let begin = head + END.len();
        let Some(body) = bytes.get(begin..begin + length) else { return Ok(None) };
        let body = body.to_vec();
        buffer.consume(begin + length);
        Ok(Some(body))
    }
}

impl Encoder<Vec<u8>> for Http {
    type Error = io::Error;

    fn encode(&mut self, body: Vec<u8>, output: &mut Vec<u8>) -> io::Result<()> {
        write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
        output.extend_from_slice(&body);
        Ok(())
    }
}

/// Answers with the body.
pub(crate) struct Same;

impl Service<Vec<u8>> for Same {
    type Response = Vec<u8>;
    type Error = io::Error;

    async fn call(&self, body: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(body)
    }
}

fn length(head: &[u8]) -> io::Result<usize> {
    let head = std::str::from_utf8(head).map_err(io::Error::other)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.ok_or(ErrorKind::InvalidData)?.parse().map_err(io::Error::other)
}

/// A request as a client writes it.
pub(crate) fn request(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Reads an answer, and gives back its body.
pub(crate) fn answer(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(END) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&head));
    let mut body = vec![0; length(&head[..head.len() - END.len()])?];
    stream.read_exact(&mut body)?;
    Ok(body)
}
