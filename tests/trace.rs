//! What a subscriber hears: tasks by their names, and what happens to a reactor.
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainspring::task::spawn_named;
use mainspring::time::Clock;
use mainspring::{Reactor, spawn, unblock, yield_now};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down all it hears, with the spans that an event stands in.
#[derive(Clone, Default)]
struct Listener {
    /// One entry for each span that was made; its id is the place after its own.
    spans: Arc<Mutex<Vec<String>>>,
    /// The spans that were entered and not left.
    entered: Arc<Mutex<Vec<usize>>>,
    /// Each event, with its level and the innermost span.
    events: Arc<Mutex<Vec<String>>>,
    /// How often a span was entered.
    enters: Arc<AtomicU64>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "mainspring" || metadata.target() == "user"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(span.metadata().name().into());
        span.record(&mut text);
        let mut spans = self.spans.lock().unwrap();
        spans.push(text.0);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut text = Text(String::new());
        values.record(&mut text);
        self.spans.lock().unwrap()[span.into_u64() as usize - 1].push_str(&text.0);
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        if let Some(&span) = self.entered.lock().unwrap().last() {
            write!(text.0, " in {}", self.spans.lock().unwrap()[span]).unwrap();
        }
        self.events.lock().unwrap().push(text.0);
    }

    fn enter(&self, span: &Id) {
        self.enters.fetch_add(1, Ordering::Relaxed);
        self.entered.lock().unwrap().push(span.into_u64() as usize - 1);
    }

    fn exit(&self, _span: &Id) {
        self.entered.lock().unwrap().pop();
    }
}

impl Listener {
    /// Whether there is an event in which all of `parts` stand.
    fn has(&self, parts: &[&str]) -> bool {
        self.events.lock().unwrap().iter().any(|event| parts.iter().all(|part| event.contains(part)))
    }
}

/// One test at a time. `tracing` remembers for each callsite whether anybody listens, for the whole process: a callsite
/// that is first met on one thread while a subscriber is installed on another can be remembered as one that nobody
/// listens to.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn heard(run: impl FnOnce()) -> Listener {
    let _alone = alone();
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), run);
    listener
}

#[test]
fn what_a_task_says_stands_under_its_name() {
    let listener = heard(|| {
        mainspring::run(async {
            tracing::info!(target: "user", "from block_on");
            let named = spawn_named("server", async {
                yield_now().await;
                tracing::info!(target: "user", "from a task");
            });
            let unnamed = spawn(async { tracing::info!(target: "user", "from another") });
            named.await.unwrap();
            unnamed.await.unwrap();
            tracing::info!(target: "user", "from block_on again");
        })
        .unwrap();
        tracing::info!(target: "user", "from outside");
    });
    let events = listener.events.lock().unwrap();
    let expected = [
        "message=the reactor runs",
        "message=from block_on in block_on id=",
        "message=from another in task id=",
        "message=from a task in task id=",
        "message=from block_on again in block_on id=",
        "message=the reactor stops",
        "message=from outside",
    ];
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for (event, expected) in events.iter().zip(expected) {
        assert!(event.contains(expected), "{event} has no {expected}");
        assert_eq!(event.contains(" name=\"server\""), event.contains("from a task"), "{event}");
    }
    assert!(events[0].starts_with("DEBUG message=the reactor runs reactor="), "{}", events[0]);
    assert!(listener.entered.lock().unwrap().is_empty());
}

#[test]
fn each_poll_is_a_span() {
    let listener = heard(|| {
        let reactor = Reactor::new().unwrap();
        for _ in 0..3 {
            drop(reactor.spawn(async { yield_now().await }));
        }
        reactor.run().unwrap();
        assert_eq!(reactor.stats().polls, 6);
    });
    assert_eq!(listener.enters.load(Ordering::Relaxed), 6);
}

#[test]
fn panics_threads_and_long_polls_are_told_of() {
    let listener = heard(|| {
        let clock = Clock::manual();
        let reactor = Reactor::builder().clock(clock.clone()).measure_polls(true).build().unwrap();
        reactor
            .block_on(async move {
                spawn_named("slow", async move { clock.advance(Duration::from_millis(5)).unwrap() }).await.unwrap();
                let weak = spawn_named("weak", async { panic!("what now") });
                assert!(weak.await.unwrap_err().is_panic());
                unblock(|| ()).await.unwrap();
            })
            .unwrap();
    });
    assert!(listener.has(&["ERROR", "a task has panicked", "name=\"weak\"", "text=\"what now\""]));
    assert!(listener.has(&["DEBUG", "the longest poll so far", "name=\"slow\"", "duration=5ms"]));
    assert!(listener.has(&["DEBUG", "a thread for blocking work was started", "threads=1"]));
    // The poll that panics is left too.
    assert!(listener.entered.lock().unwrap().is_empty());
}

#[test]
fn a_reactor_without_a_subscriber_does_the_same() {
    let _alone = alone();
    mainspring::run(async { spawn_named("quiet", yield_now()).await.unwrap() }).unwrap();
}
