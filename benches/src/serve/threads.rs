//! The echo as a [`Server`] on one thread or several.
//!
//! The same future as on a reactor of one's own, behind the accept loop of a server, without its deadlines, so that
//! what is left to see is what threads cost. The tick style is left out: used a second time it would not be inlined
//! where it is counted alone. Which connection is served first, and so is the leash, is asked once by each when it
//! begins; requests find nothing that threads share.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mainspring::Server;
use mainspring::channel::oneshot;
use mainspring::server::{Connection, Sharing};

use super::{announce, futures};
use crate::style::Style;

/// How many threads a server has, and how connections come to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads {
    pub(crate) count: usize,
    pub(crate) way: Way,
}

/// A [`Sharing`] with a name on the command line and in the tables.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Way(pub(crate) Sharing);

impl Way {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self(Sharing::ReusePort), Self(Sharing::HandOff), Self(Sharing::Exclusive)];
}

impl FromStr for Way {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let way = Self::ALL.into_iter().find(|way| way.to_string() == name);
        way.ok_or("a way is reuse-port, hand-off or exclusive")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            Sharing::ReusePort => "reuse-port",
            Sharing::HandOff => "hand-off",
            _ => "exclusive",
        })
    }
}

pub(super) fn serve(address: SocketAddr, style: Style, threads: Threads) -> io::Result<()> {
    if style != Style::Async {
        return Err(io::Error::other("only async serves on threads"));
    }
    let settings = Server::builder().threads(threads.count).sharing(threads.way.0);
    let server = settings.idle(None).write(None).drain(Duration::ZERO).bind(address)?;
    announce(server.local_addr())?;
    let (leash, ended) = oneshot::channel::<()>();
    // Dropped with the first connection, and never sent.
    let leash = Arc::new(Mutex::new(Some(leash)));
    let make = move || {
        let leash = leash.clone();
        move |connection: Connection| {
            let leash = leash.lock().ok().and_then(|mut leash| leash.take());
            let stream = connection.stream;
            async move {
                let _leash = leash;
                futures::echo(stream).await
            }
        }
    };
    server.run(make, ended).map(drop)
}
