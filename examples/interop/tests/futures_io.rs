//! async-tungstenite, which is written for the traits of futures-io, on a reactor and without its runtimes.
#![forbid(unsafe_code)]

mod util;

use async_tungstenite::{accept_async, client_async};
use futures::StreamExt;
use mainspring::io::Pollable;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::spawn;
use tungstenite::Message;
use util::soon;

#[test]
fn async_tungstenite_echoes_over_tcp_and_closes() {
    soon(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(Pollable::new(stream)).await.unwrap();
            let mut count = 0;
            while let Some(message) = socket.next().await {
                let message = message.unwrap();
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                    count += 1;
                }
            }
            count
        });
        let stream = Pollable::new(TcpStream::connect(address).await.unwrap());
        let (mut socket, _) = client_async("ws://localhost/", stream).await.unwrap();
        for length in [0, 1, 126, 65_536, 2_000_000] {
            let message = Message::binary(vec![0x5a; length]);
            socket.send(message.clone()).await.unwrap();
            assert!(socket.next().await.unwrap().unwrap() == message, "{length} bytes");
        }
        // Both directions at once, each half in a future of its own.
        let (mut writer, mut reader) = socket.split();
        let sending = async {
            for number in 0..100 {
                writer.send(Message::text(format!("{number} {}", "x".repeat(number * 500)))).await.unwrap();
            }
            writer.close(None).await.unwrap();
        };
        let receiving = async {
            let mut number = 0;
            while let Some(message) = reader.next().await {
                match message.unwrap() {
                    Message::Text(text) => {
                        assert!(text.starts_with(&format!("{number} ")), "{number}");
                        number += 1;
                    }
                    other => assert!(other.is_close(), "{other:?}"),
                }
            }
            number
        };
        let ((), number) = futures::join!(sending, receiving);
        assert_eq!(number, 100);
        assert_eq!(serving.await.unwrap(), 105);
    });
}
