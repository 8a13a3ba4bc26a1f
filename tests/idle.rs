//! What a reactor does while nothing happens: nothing.
mod util {
    pub(crate) mod checked;
}

use std::time::Duration;

use mainspring::net::{TcpListener, TcpStream};
use mainspring::tick::{Tick, schedule};
use mainspring::time::sleep;
use mainspring::{Stats, io, spawn};

use util::checked::checked;

const CONNECTIONS: usize = 300;

#[test]
fn a_reactor_with_idle_connections_asks_its_selector_for_nothing_but_the_next_timer() {
    checked(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut clients = Vec::new();
        for number in 0..CONNECTIONS {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
            match number % 4 {
                0 => drop(spawn(async move { stream.read(&mut [0; 64]).await })),
                1 => drop(spawn(async move { stream.read_pooled().await.map(|bytes| bytes.len()) })),
                2 => drop(spawn(async move { io::copy(&mut &stream, &mut &stream).await })),
                _ => drop(schedule(move || io::try_read_pooled(&mut stream).map(|_| Tick::WouldBlock))),
            }
            clients.push(client);
        }
        while Stats::current().unwrap().waits < CONNECTIONS {
            mainspring::yield_now().await;
        }
        // What connecting has left in the selector comes first.
        let mut before = Stats::current().unwrap();
        for _ in 0..100 {
            sleep(Duration::from_millis(20)).await;
            let now = Stats::current().unwrap();
            if std::mem::replace(&mut before, now).events == now.events {
                break;
            }
        }
        // No synchronisation: this is the time in which nothing may happen.
        sleep(Duration::from_secs(2)).await;
        let after = Stats::current().unwrap();
        assert_eq!(after.events, before.events);
        assert_eq!(after.polls - before.polls, 1, "this task alone");
        assert_eq!(after.selects - before.selects, 1, "that from which this task was woken: {before}\n{after}");
        drop(clients);
        while Stats::current().unwrap().tasks > 0 {
            mainspring::yield_now().await;
        }
    });
}
