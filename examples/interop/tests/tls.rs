//! rustls on one reactor: both ends, full duplex, new keys, half-closed, cut off, a byte at a time, and too slow.
#![forbid(unsafe_code)]

mod util;

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::join;
use interop::tls::{HANDSHAKE, Tls, client_config, server_config, server_name};
use mainspring::io::{HalfClose, Pollable, read_exact, read_to_end, shutdown, write_all};
use mainspring::net::UnixStream;
use mainspring::time::Instant;
use mainspring::{ready, spawn, testing};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use util::certificate::{LOCALHOST, STRANGER};
use util::soon;

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let (certificate, key) = &*LOCALHOST;
    (server_config(certificate, key, &[]).unwrap(), client_config(certificate).unwrap())
}

async fn over<A: Read + Write, B: Read + Write>(left: A, right: B) -> (Tls<A>, Tls<B>) {
    let (server, client) = configs();
    let name = server_name("localhost").unwrap();
    let (left, right) = join!(Tls::accept(left, server, HANDSHAKE), Tls::connect(right, client, name, HANDSHAKE));
    (left.unwrap(), right.unwrap())
}

async fn pair() -> (Tls<UnixStream>, Tls<UnixStream>) {
    let (left, right) = UnixStream::pair().unwrap();
    over(left, right).await
}

fn noise(count: usize) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_request_goes_one_way_to_its_end_and_the_answer_comes_back_after_that() {
    soon(async {
        let (mut server, mut client) = pair().await;
        let serving = async {
            let mut request = Vec::new();
            read_to_end(&mut server, &mut request, 1 << 20).await.unwrap();
            // The client has said goodbye, and can be answered.
            write_all(&mut server, &request).await.unwrap();
            shutdown(&mut server).await.unwrap();
            request.len()
        };
        let asking = async {
            write_all(&mut client, &noise(300_000)).await.unwrap();
            shutdown(&mut client).await.unwrap();
            let mut answer = Vec::new();
            read_to_end(&mut client, &mut answer, 1 << 20).await.unwrap();
            assert!(answer == noise(300_000), "{} bytes", answer.len());
        };
        let (count, ()) = join!(serving, asking);
        assert_eq!(count, 300_000);
    });
}

/// Bytes each way of a full-duplex exchange, and how often new keys are asked for.
const DUPLEX: usize = 4 << 20;
const KEY: usize = 512 << 10;

#[test]
fn both_ends_send_more_than_fits_at_once_and_change_their_keys_meanwhile() {
    soon(async {
        let (left, right) = UnixStream::pair().unwrap();
        for stream in [&left, &right] {
            stream.set_send_buffer_size(16 * 1024).unwrap();
        }
        let (server, client) = over(left, right).await;
        let mut ends = Vec::new();
        for tls in [server, client] {
            let tls = Rc::new(RefCell::new(tls));
            let (reader, writer) = (tls.clone(), tls);
            ends.push(spawn(async move {
                let bytes = noise(DUPLEX);
                let (mut sent, mut keys) = (0, 0);
                while sent < DUPLEX {
                    if sent / KEY >= keys {
                        writer.borrow_mut().session().refresh_traffic_keys().unwrap();
                        keys += 1;
                    }
                    sent += ready(|| writer.borrow_mut().write(&bytes[sent..])).await.unwrap();
                }
                ready(|| writer.borrow_mut().flush()).await.unwrap();
                keys
            }));
            ends.push(spawn(async move {
                let (bytes, mut buffer, mut received) = (noise(DUPLEX), vec![0; 20_000], 0);
                while received < DUPLEX {
                    let count = ready(|| reader.borrow_mut().read(&mut buffer)).await.unwrap();
                    assert!(count > 0 && buffer[..count] == bytes[received..][..count], "at byte {received}");
                    received += count;
                }
                0
            }));
        }
        let mut keys = 0;
        for end in ends {
            keys += end.await.unwrap();
        }
        assert_eq!(keys, 2 * DUPLEX / KEY);
    });
}

#[test]
fn the_stream_of_rustls_itself_needs_nothing_around_it() {
    soon(async {
        let (server, client) = configs();
        let (left, right) = UnixStream::pair().unwrap();
        let mut server = StreamOwned::new(ServerConnection::new(server).unwrap(), left);
        let name = server_name("localhost").unwrap();
        let mut client = StreamOwned::new(ClientConnection::new(client, name).unwrap(), right);
        let serving = async {
            let mut request = [0; 5];
            read_exact(&mut server, &mut request).await.unwrap();
            write_all(&mut server, &request).await.unwrap();
            mainspring::io::flush(&mut server).await.unwrap();
        };
        let asking = async {
            write_all(&mut client, b"hello").await.unwrap();
            mainspring::io::flush(&mut client).await.unwrap();
            let mut answer = [0; 5];
            read_exact(&mut client, &mut answer).await.unwrap();
            assert_eq!(&answer, b"hello");
        };
        join!(serving, asking);
    });
}

/// Gives way after each byte, in both directions.
struct Trickle(UnixStream);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(1);
        Read::read(&mut self.0, &mut buffer[..room])
    }
}

impl Write for Trickle {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.0, &buffer[..buffer.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl HalfClose for Trickle {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }
}

#[test]
fn a_byte_at_a_time_is_as_good_as_all_of_them() {
    soon(async {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut server, mut client) = over(Trickle(left), Trickle(right)).await;
        let sending = async {
            write_all(&mut client, &noise(3_000)).await.unwrap();
            shutdown(&mut client).await.unwrap();
        };
        let mut received = Vec::new();
        let (read, ()) = join!(read_to_end(&mut server, &mut received, 10_000), sending);
        read.unwrap();
        assert!(received == noise(3_000), "{} bytes", received.len());
    });
}

#[test]
fn an_end_without_a_goodbye_is_an_error_and_what_came_before_it_is_not_lost() {
    soon(async {
        let (mut server, mut client) = pair().await;
        write_all(&mut client, b"hel").await.unwrap();
        client.stream().shutdown(std::net::Shutdown::Write).unwrap();
        let mut received = [0; 3];
        read_exact(&mut server, &mut received).await.unwrap();
        assert_eq!(&received, b"hel");
        let error = ready(|| server.read(&mut [0; 16])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_peer_that_falls_silent_or_trickles_in_its_handshake_has_ten_seconds() {
    testing::run(async {
        let (server, _) = configs();
        for step in [None, Some(Duration::from_secs(1))] {
            let (left, right) = UnixStream::pair().unwrap();
            let start = Instant::now();
            // The start of a record that is to have 256 bytes.
            right.write_all(b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03").await.unwrap();
            let peer = spawn(async move {
                while let Some(step) = step {
                    mainspring::time::sleep(step).await;
                    if right.write_all(b"x").await.is_err() {
                        return;
                    }
                }
                std::future::pending::<()>().await;
                drop(right);
            });
            let error = Tls::accept(left, server.clone(), HANDSHAKE).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert_eq!(start.elapsed().as_secs(), 10);
            peer.abort();
        }
    });
}

#[test]
fn a_peer_that_vanishes_in_its_handshake_is_an_error_at_each_byte() {
    soon(async {
        // What a client says first.
        let (server, client) = configs();
        let mut session = ClientConnection::new(client, server_name("localhost").unwrap()).unwrap();
        let mut hello = Vec::new();
        session.write_tls(&mut hello).unwrap();
        for length in (0..hello.len()).step_by(7) {
            let (left, right) = UnixStream::pair().unwrap();
            right.write_all(&hello[..length]).await.unwrap();
            drop(right);
            let error = Tls::accept(left, server.clone(), HANDSHAKE).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length} of {} bytes: {error}", hello.len());
        }
        // And after a whole hello, with the server's answer on its way.
        let (left, right) = UnixStream::pair().unwrap();
        right.write_all(&hello).await.unwrap();
        drop(right);
        let error = Tls::accept(left, server, HANDSHAKE).await.unwrap_err();
        let expected = [ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(expected.contains(&error.kind()), "{error}");
    });
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_and_the_server_hears_why() {
    soon(async {
        let (_, client) = configs();
        let (certificate, key) = &*STRANGER;
        let server = server_config(certificate, key, &[]).unwrap();
        let (left, right) = UnixStream::pair().unwrap();
        let name = server_name("localhost").unwrap();
        let (server, client) =
            join!(Tls::accept(left, server, HANDSHAKE), Tls::connect(right, client, name, HANDSHAKE));
        let (server, client) = (server.unwrap_err(), client.unwrap_err());
        assert!(client.to_string().contains("invalid peer certificate"), "{client}");
        assert!(server.to_string().contains("fatal alert"), "{server}");
    });
}

#[test]
fn what_is_no_tls_is_answered_with_an_alert() {
    soon(async {
        let (server, _) = configs();
        let (left, right) = UnixStream::pair().unwrap();
        right.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let error = Tls::accept(left, server, HANDSHAKE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        let mut answer = [0; 16];
        let count = right.read(&mut answer).await.unwrap();
        assert_eq!(answer[..count][0], 21, "the type of an alert record");
    });
}

#[test]
fn http_2_of_hyper_runs_over_it_client_and_server() {
    use http_body_util::{BodyExt, Full};
    use hyper::body::{Bytes, Incoming};
    use hyper::{Request, Response, client, service::service_fn};
    use mainspring::hyper::{Executor, Timer};

    async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, hyper::Error> {
        Ok(Response::new(request.into_body()))
    }
    soon(async {
        let (server, client) = pair().await;
        let serving = spawn(async move {
            let mut builder = hyper::server::conn::http2::Builder::new(Executor);
            builder.timer(Timer).serve_connection(Pollable::new(server), service_fn(echo)).await
        });
        let builder = client::conn::http2::Builder::new(Executor);
        let (mut sender, connection) = builder.handshake(Pollable::new(client)).await.unwrap();
        let connection = spawn(connection);
        let body = Bytes::from(noise(1_000_000));
        let request = Request::post("https://localhost/").body(Full::new(body.clone())).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert!(answer.into_body().collect().await.unwrap().to_bytes() == body);
        drop(sender);
        connection.await.unwrap().unwrap();
        serving.await.unwrap().unwrap();
    });
}
