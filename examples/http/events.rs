//! Server-sent events (the HTML standard, section 9.2): the figures, twice a second, until the page goes away.
//!
//! The connection is no longer HTTP by then: its last response has a body without an end, and this is the body.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use mainspring::net::TcpStream;
use mainspring::server::Draining;
use mainspring::time::timeout;

use super::figures::Figures;

/// Between two events.
const PERIOD: Duration = Duration::from_millis(500);

/// Sends events until the server drains, or the peer ends the connection or says anything else.
pub(crate) async fn send(stream: &TcpStream, mut draining: Draining, figures: &Figures) -> io::Result<()> {
    stream.write_all(b"retry: 1000\n\n").await?;
    loop {
        stream.write_all(format!("data: {}\n\n", figures.json()).as_bytes()).await?;
        let mut words = [0; 64];
        let mut heard = pin!(stream.read(&mut words));
        let end = poll_fn(|cx| match Pin::new(&mut draining).poll(cx) {
            ready if ready.is_ready() => ready,
            _ => heard.as_mut().poll(cx).map(|_| ()),
        });
        if timeout(PERIOD, end).await.is_ok() {
            return Ok(());
        }
    }
}
