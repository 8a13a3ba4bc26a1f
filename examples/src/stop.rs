//! When a server of this folder stops: on Ctrl-C and on SIGTERM, also where the shell that started it ignores Ctrl-C
//! for it.

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::process;
use std::task::Poll;

use mainspring::signal::{self, Signal};

/// What the shell reports for a program that Ctrl-C has ended.
const ENDED_BY_CTRL_C: i32 = 130;

/// Waits until the program is asked to stop; from then on another Ctrl-C ends the process.
///
/// Called on the reactor that serves. It listens for signals first and then says `ready` on stdout, so that whoever
/// reads that may send one. The rest is said on stderr.
pub async fn stop() {
    let (mut ctrl_c, mut terminate) = (signal::ctrl_c(), signal::terminate());
    say_ready();
    let reason = match first(&mut ctrl_c, &mut terminate).await {
        Ok(name) => name.to_string(),
        Err(error) => format!("no signal can be heard: {error}"),
    };
    eprintln!("stopping on {reason}: what is in flight is finished first, Ctrl-C again ends at once");
    mainspring::spawn(async move {
        if ctrl_c.await.is_ok() {
            eprintln!("stopped at once");
            process::exit(ENDED_BY_CTRL_C);
        }
    });
}

fn say_ready() {
    // Why no panic, as `println` has it: nobody may be reading, and the server serves all the same.
    if let Err(error) = writeln!(io::stdout(), "ready") {
        eprintln!("cannot say ready on stdout: {error}");
    }
}

/// The name of the signal that comes first.
async fn first(ctrl_c: &mut Signal, terminate: &mut Signal) -> io::Result<&'static str> {
    poll_fn(|cx| {
        if let Poll::Ready(heard) = Pin::new(&mut *ctrl_c).poll(cx) {
            return Poll::Ready(heard.map(|()| "Ctrl-C"));
        }
        Pin::new(&mut *terminate).poll(cx).map(|heard| heard.map(|()| "SIGTERM"))
    })
    .await
}
