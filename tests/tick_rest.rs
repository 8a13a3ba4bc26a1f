//! Ticks that come to rest: what was said once is no progress the second time, so a task that asks for it in each tick,
//! and waits for something else meanwhile, sleeps.
mod util;

use mainspring::channel::{mpsc, oneshot};
use mainspring::net::{Source, TcpListener, TcpStream};
use mainspring::process::Child;
use mainspring::sync::Notify;
use mainspring::task::{CancellationToken, JoinSet};
use mainspring::tick::{Tick, schedule};
use mainspring::time::sleep;
use std::cell::Cell;
use std::io::{self, Write};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use util::runtime::{run, stats, turns, until};

/// A task that asks `ask` in each tick, and accepts: how often it is ticked while nobody connects, once `ask` has said
/// all.
async fn ticks_while_nothing_happens(mut ask: impl FnMut() -> io::Result<bool> + 'static) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (said, ticks) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let (told, counted) = (said.clone(), ticks.clone());
    let task = schedule(move || {
        counted.set(counted.get() + 1);
        told.set(ask()?);
        Ok(if listener.try_accept()?.is_some() { Tick::Final } else { Tick::WouldBlock })
    });
    until(|| said.get()).await;
    turns(2).await;
    let before = ticks.get();
    turns(10).await;
    let after = ticks.get();
    let _client = TcpStream::connect(address).await.unwrap();
    task.await.unwrap().unwrap();
    after - before
}

#[test]
fn a_cancelled_token_keeps_no_tick_busy() {
    run(async {
        let token = CancellationToken::new();
        let mut cancelled = token.cancelled();
        token.cancel();
        assert_eq!(ticks_while_nothing_happens(move || Ok(cancelled.try_wait().is_some())).await, 0);
    });
}

#[test]
fn a_queue_that_has_ended_keeps_no_tick_busy() {
    run(async {
        let (sender, mut receiver) = mpsc::bounded(1);
        sender.try_send(1).unwrap();
        drop(sender);
        assert_eq!(ticks_while_nothing_happens(move || Ok(receiver.try_recv().is_err())).await, 0);
    });
}

#[test]
fn a_oneshot_whose_sender_has_gone_keeps_no_tick_busy() {
    run(async {
        let (sender, mut receiver) = oneshot::channel::<()>();
        drop(sender);
        assert_eq!(ticks_while_nothing_happens(move || Ok(receiver.try_recv().is_err())).await, 0);
    });
}

#[test]
fn a_child_that_has_ended_keeps_no_tick_busy() {
    run(async {
        let mut child = Child::new(Command::new("true").spawn().unwrap()).unwrap();
        assert_eq!(ticks_while_nothing_happens(move || Ok(child.try_wait()?.is_some())).await, 0);
    });
}

#[test]
fn a_source_with_nothing_to_flush_keeps_no_tick_busy() {
    run(async {
        let (end, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        end.set_nonblocking(true).unwrap();
        let mut source = Source::new(end).unwrap();
        assert_eq!(ticks_while_nothing_happens(move || source.flush().map(|()| true)).await, 0);
    });
}

#[test]
fn a_signal_that_was_seen_keeps_no_tick_busy() {
    run(async {
        let changed = Notify::new();
        let mut waiting = changed.notified();
        changed.notify_one();
        assert_eq!(ticks_while_nothing_happens(move || Ok(waiting.try_wait().is_some())).await, 0);
    });
}

#[test]
fn a_set_whose_tasks_were_all_joined_keeps_no_tick_busy() {
    run(async {
        let mut set = JoinSet::new();
        set.spawn(async {});
        let ask = move || {
            while let Some(joined) = set.try_join_next() {
                joined?;
            }
            Ok(set.is_empty())
        };
        assert_eq!(ticks_while_nothing_happens(ask).await, 0);
    });
}

#[test]
fn a_sleep_that_has_ended_keeps_no_tick_busy_and_is_told_again_when_it_is_reset() {
    run(async {
        let mut pause = sleep(Duration::ZERO);
        assert_eq!(ticks_while_nothing_happens(move || Ok(pause.try_wait()?.is_some())).await, 0);

        // Each end is progress: the task is ticked again, though nothing says "not yet".
        let (mut pause, mut ends) = (sleep(Duration::ZERO), 0);
        let task = schedule(move || {
            if pause.try_wait()?.is_some() {
                ends += 1;
                pause = sleep(Duration::ZERO);
            }
            Ok(if ends == 3 { Tick::Final } else { Tick::WouldBlock })
        });
        task.await.unwrap().unwrap();
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn a_tick_that_only_asks_what_it_knows_is_told_that_it_waits_for_nothing() {
    run(async {
        let token = CancellationToken::new();
        let mut cancelled = token.cancelled();
        token.cancel();
        let task = schedule(move || {
            assert!(cancelled.try_wait().is_some());
            Ok(Tick::WouldBlock)
        });
        assert!(task.await.unwrap().unwrap_err().to_string().contains("waits for nothing"));
    });
}
