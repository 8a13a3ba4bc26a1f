//! First light.
use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use mainspring::{Reactor, run, spawn};
use std::io;
use std::time::Duration;

#[test]
fn an_async_echo() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = spawn(async move {
            let (stream, _) = listener.accept().await?;
            let mut buffer = [0; 64];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return io::Result::Ok(());
                }
                stream.write_all(&buffer[..count]).await?;
            }
        });
        let client = TcpStream::connect(address).await?;
        let mut buffer = [0; 64];
        for _ in 0..1000 {
            client.write_all(b"hello").await?;
            assert_eq!(client.read(&mut buffer).await?, 5);
        }
        drop(client);
        server.await?
    })
    .unwrap()
    .unwrap();
}

#[test]
fn a_tick_echo() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let task = schedule(move || {
            while let Some((stream, _)) = listener.try_accept()? {
                let mut buffer = [0; 64];
                schedule(move || {
                    while let Some(count) = stream.try_read(&mut buffer)? {
                        if count == 0 {
                            return Ok(Tick::Final);
                        }
                        assert_eq!(stream.try_write(&buffer[..count])?, Some(count));
                    }
                    Ok(Tick::WouldBlock)
                });
            }
            Ok(Tick::WouldBlock)
        });
        let client = TcpStream::connect(address).await?;
        let mut buffer = [0; 64];
        for _ in 0..1000 {
            client.write_all(b"hello").await?;
            assert_eq!(client.read(&mut buffer).await?, 5);
        }
        task.abort();
        assert!(task.await.unwrap_err().is_aborted());
        io::Result::Ok(())
    })
    .unwrap()
    .unwrap();
}

#[test]
fn a_read_timeout() {
    let reactor = Reactor::new().unwrap();
    reactor
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            let start = mainspring::time::Instant::now();
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(start.elapsed() >= Duration::from_millis(5));
            mainspring::time::sleep(Duration::from_millis(3)).await;
            let error = TcpStream::connect("127.0.0.1:1").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(mainspring::unblock(|| 3).await.unwrap(), 3);
        })
        .unwrap();
    println!("{}", reactor.stats());
    assert_eq!(reactor.stats().waits, 0);
}
