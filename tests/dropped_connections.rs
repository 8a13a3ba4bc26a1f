//! Futures of what is made of connections, dropped at each point of their lives (`util/dropped.rs`).
mod util;

use mainspring::codec::{Framed, Lines};
use mainspring::io;
use util::dropped::{dropped, dropped_but, once};
use util::runtime::{pair, run};

#[test]
fn what_waits_for_lines_and_frames() {
    run(async {
        let (client, server) = pair().await;
        let send = || once(|| assert_eq!(server.try_write(b"ab\n").unwrap(), Some(3)));
        let mut lines = io::lines(std::io::BufReader::new(&client), 64);
        let line = dropped("next_line", &mut lines, |s| Box::pin(s.next_line()), send()).await;
        assert_eq!(line.unwrap().as_deref(), Some("ab"));
        let mut frames = Framed::new(client, Lines::new());
        let line = dropped_but(1, "next", &mut frames, |s| Box::pin(s.next()), send()).await;
        assert_eq!(line.unwrap().unwrap(), "ab");
    });
}
