//! Messages over a TCP connection, behind two bytes of length (RFC 7766), and over a UDP socket, one in a datagram.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use mainspring::codec::{Buffer, Decoder, Encoder, Framed, FramedDatagrams, LengthDelimited};
use mainspring::net::{TcpStream, UdpSocket};
use mainspring::proto::Transport;

use super::message::{Answer, DATAGRAM, Malformed, Query, decode, encode};

/// Over TCP.
pub fn over_stream(stream: TcpStream) -> Framed<TcpStream, StreamCodec> {
    Framed::new(stream, StreamCodec(LengthDelimited::new().width(2)))
}

/// The codec of a TCP connection.
#[derive(Debug)]
pub struct StreamCodec(LengthDelimited);

impl Decoder for StreamCodec {
    type Item = Answer;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Answer>> {
        let Some(message) = self.0.decode(buffer)? else { return Ok(None) };
        decode(&message).map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }
}

impl Encoder<Query> for StreamCodec {
    type Error = io::Error;

    fn encode(&mut self, query: Query, output: &mut Vec<u8>) -> io::Result<()> {
        let mut message = Vec::new();
        DatagramCodec.encode(query, &mut message)?;
        self.0.encode(message, output)
    }
}

/// The codec of a datagram. What is no message is an item all the same: anyone can send such, and it ends nothing.
#[derive(Clone, Copy, Debug)]
struct DatagramCodec;

impl Decoder for DatagramCodec {
    type Item = Result<Answer, Malformed>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut Buffer) -> io::Result<Option<Self::Item>> {
        let item = (!buffer.is_empty()).then(|| decode(buffer.as_slice()));
        buffer.consume(buffer.len());
        Ok(item)
    }
}

impl Encoder<Query> for DatagramCodec {
    type Error = io::Error;

    fn encode(&mut self, query: Query, output: &mut Vec<u8>) -> io::Result<()> {
        match query {
            Query::Ask(id, question) => encode(id, &question, output),
            Query::Forget(id) => {
                let message = format!("question {id} cannot be taken back, since there is no message for that");
                return Err(io::Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok(())
    }
}

/// Over UDP: a socket with a port of its own, to one server.
#[derive(Debug)]
pub struct Datagrams {
    framed: FramedDatagrams<DatagramCodec>,
    server: SocketAddr,
}

impl Datagrams {
    /// A new socket, whose port the system chooses. Connected, so that what others send does not arrive, and a server
    /// that is not there is an error and not a silence.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub async fn new(server: SocketAddr) -> io::Result<Self> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server).await?;
        let framed = FramedDatagrams::new(socket, DatagramCodec).max_datagram(DATAGRAM.into());
        Ok(Self { framed, server })
    }
}

impl Transport<Query> for Datagrams {
    type Incoming = Answer;
    type Error = io::Error;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Answer>>> {
        loop {
            // A datagram that is longer than was asked for, one that is none, and one of somebody else: as if it had
            // not come.
            match ready!(self.framed.poll_next(cx)) {
                Ok((Ok(answer), sender)) if sender == self.server => return Poll::Ready(Some(Ok(answer))),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::InvalidData => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.framed.poll_flush(cx)
    }

    fn send(&mut self, query: Query) -> io::Result<()> {
        self.framed.start_send(query, self.server)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.framed.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.framed.poll_flush(cx)
    }
}
