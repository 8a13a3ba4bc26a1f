//! Adapters of std and of flate2 on streams of Mainspring, with no adapter in between: whatever keeps its place when it
//! sees `WouldBlock` is driven by `ready` and the functions of `mainspring::io`.
#![forbid(unsafe_code)]

mod util;

use std::io::{BufRead, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures::join;
use mainspring::io::{flush, read_line, read_to_end, shutdown, write_all};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::ready;
use util::soon;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.set_send_buffer_size(16 * 1024).unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

/// It reads the header when it is made, which is I/O as any other, and so stands in `ready`; where that has not
/// arrived, it goes on with it in its first read.
async fn decoder(stream: &TcpStream) -> GzDecoder<&TcpStream> {
    ready(|| Ok::<_, std::io::Error>(GzDecoder::new(stream))).await.unwrap()
}

/// What can be compressed, but not to nothing.
fn words(count: usize) -> Vec<u8> {
    (0..count as u32).flat_map(|n| format!("{} ", n.wrapping_mul(2_654_435_761) >> 20).into_bytes()).collect()
}

#[test]
fn a_gzip_stream_is_written_and_read_while_the_socket_is_full_and_empty_by_turns() {
    soon(async {
        let (client, server) = pair().await;
        let plain = words(200_000);
        let compressing = async {
            let mut encoder = GzEncoder::new(&client, Compression::fast());
            for piece in plain.chunks(10_000) {
                write_all(&mut encoder, piece).await.unwrap();
            }
            // Repeatable: it goes on where it was told "not yet".
            ready(|| encoder.try_finish()).await.unwrap();
            drop(encoder);
            shutdown(&mut &client).await.unwrap();
        };
        let decompressing = async {
            let mut decoder = decoder(&server).await;
            let mut received = Vec::new();
            read_to_end(&mut decoder, &mut received, plain.len() + 1).await.unwrap();
            received
        };
        let ((), received) = join!(compressing, decompressing);
        assert!(received == plain, "{} of {} bytes, or others", received.len(), plain.len());
    });
}

#[test]
fn a_gzip_stream_that_is_cut_off_is_an_error() {
    soon(async {
        let (client, server) = pair().await;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&words(1000)).unwrap();
        let bytes = encoder.finish().unwrap();
        client.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
        drop(client);
        let error = read_to_end(&mut decoder(&server).await, &mut Vec::new(), 1 << 20).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn readers_and_writers_of_std_stand_around_a_stream_in_any_order() {
    soon(async {
        let (client, server) = pair().await;
        let sending = async {
            let mut writer = BufWriter::with_capacity(7, &client);
            for line in ["first line\n", "ä𝄞\n", "12345678rest"] {
                write_all(&mut writer, line.as_bytes()).await.unwrap();
            }
            flush(&mut writer).await.unwrap();
            shutdown(&mut &client).await.unwrap();
        };
        let receiving = async {
            let mut reader = BufReader::with_capacity(3, &server);
            let mut line = String::new();
            read_line(&mut reader, &mut line, 100).await.unwrap();
            read_line(&mut reader, &mut line, 100).await.unwrap();
            assert_eq!(line, "first line\nä𝄞\n");
            // A step at a time, by `fill_buf` itself.
            let mut eight = (&mut reader).take(8);
            let mut taken = Vec::new();
            loop {
                let count = ready(|| {
                    eight.fill_buf().map(|bytes| {
                        taken.extend_from_slice(bytes);
                        bytes.len()
                    })
                })
                .await
                .unwrap();
                if count == 0 {
                    break;
                }
                eight.consume(count);
            }
            assert_eq!(taken, b"12345678");
            let mut rest = Vec::new();
            read_to_end(&mut reader.chain(&b" and more"[..]), &mut rest, 100).await.unwrap();
            assert_eq!(rest, b"rest and more");
        };
        join!(sending, receiving);
    });
}
