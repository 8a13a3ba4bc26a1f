//! The HTTP service under more load than it can take: with a bound on what waits it goes on as before, without one it
//! answers nobody in time.
//!
//! What it can take is set: so many requests at work, each of a fixed time, so no processor is the limit. Load is
//! offered at random moments and waits for nothing, as that of many clients does. `OVERLOAD=real` does it in real time,
//! for half a minute.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use examples::http::{self, NotServed, Request, Response};
use mainspring::net::TcpStream;
use mainspring::service::{ConcurrencyLimit, service_fn};
use mainspring::time::{Clock, Instant, sleep, sleep_until};
use mainspring::{Reactor, Server, spawn};

/// Requests at work.
const PERMITS: usize = 10;

/// How long each is at work.
const WORK: Duration = Duration::from_millis(100);

/// What is served at most, per second.
const CAPACITY: f64 = 100.0;

/// How many wait with a bound: half a round, so that the one that waits longest takes half as long again.
const WAITING: usize = PERMITS / 2;

/// Later than this an answer is worth nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long load is offered.
const TIME: Duration = Duration::from_secs(10);

/// What is left out at the beginning, in which the queue fills.
const WARMUP: Duration = Duration::from_secs(3);

/// What became of a request.
struct Outcome {
    /// When it was sent, since the load began.
    at: Duration,
    /// Until its answer was there.
    took: Duration,
    status: u16,
}

/// Outcomes of requests that were sent from the one time on, until the other.
struct Seen {
    /// Answered with 200 in time, per second.
    goodput: f64,
    /// Of those that were answered with 200, in time or not; none if none was.
    p99: Option<Duration>,
    /// Refused.
    refused: usize,
    /// The longest that a refusal took.
    refusal: Duration,
}

fn seen(outcomes: &[Outcome], from: Duration, until: Duration) -> Seen {
    let all: Vec<_> = outcomes.iter().filter(|outcome| (from..until).contains(&outcome.at)).collect();
    let mut served: Vec<_> = all.iter().filter(|outcome| outcome.status == 200).map(|outcome| outcome.took).collect();
    served.sort();
    let good = served.iter().filter(|took| **took <= PATIENCE).count();
    let refused: Vec<_> = all.iter().filter(|outcome| outcome.status == 503).collect();
    Seen {
        goodput: good as f64 / (until - from).as_secs_f64(),
        p99: served.get(served.len() * 99 / 100).copied(),
        refused: refused.len(),
        refusal: refused.iter().map(|outcome| outcome.took).max().unwrap_or_default(),
    }
}

/// Connections that nobody uses.
type Idle = RefCell<Vec<TcpStream>>;

/// Sends a request on a connection of its own for as long as it takes.
async fn ask(address: SocketAddr, idle: &Idle) -> io::Result<u16> {
    let kept = idle.borrow_mut().pop();
    let stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await?;
    let mut answer = [0; 1024];
    // Small answers leave in one write, and come in one read.
    let count = stream.read(&mut answer).await?;
    let head = std::str::from_utf8(&answer[..count]).map_err(io::Error::other)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    idle.borrow_mut().push(stream);
    Ok(status)
}

/// Offers `rates` per second one after the other, each for its time, and gives back what became of all requests.
async fn offer(address: SocketAddr, rates: &[(f64, Duration)]) -> Vec<Outcome> {
    let (idle, outcomes) = (Rc::new(Idle::default()), Rc::new(RefCell::new(Vec::new())));
    let start = Instant::now();
    let (mut at, mut end, mut seed) = (Duration::ZERO, Duration::ZERO, 1_u64);
    let mut tasks = Vec::new();
    for &(rate, time) in rates {
        end += time;
        loop {
            // Knuth's generator; between arrivals that know nothing of each other the time is exponential.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = ((seed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            at += Duration::from_secs_f64(-unit.ln() / rate);
            if at >= end {
                at = end;
                break;
            }
            sleep_until(start + at).await;
            let (idle, outcomes) = (idle.clone(), outcomes.clone());
            tasks.push(spawn(async move {
                let sent = Instant::now();
                let status = ask(address, &idle).await.unwrap_or(0);
                outcomes.borrow_mut().push(Outcome { at, took: sent.elapsed(), status });
            }));
        }
    }
    for task in tasks {
        task.await.expect("no request panics");
    }
    outcomes.take()
}

/// The outcomes of a load on a server of which so many requests may wait.
fn run(waiting: usize, rates: &[(f64, Duration)]) -> Vec<Outcome> {
    let is_real = std::env::var("OVERLOAD").is_ok_and(|value| value == "real");
    let clock = if is_real { Clock::os() } else { Clock::auto() };
    let reactor = Reactor::builder().clock(clock).build().expect("a reactor");
    let load = async {
        let server = Server::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr();
        let work = service_fn(async |_: Request| {
            sleep(WORK).await;
            Ok::<_, NotServed>(Response::text("done\n"))
        });
        let limit = ConcurrencyLimit::new(PERMITS).waiters(waiting);
        let service = Rc::new(http::stack(work, limit, Duration::from_secs(2)));
        let serve = move |connection| {
            let service = service.clone();
            async move { http::serve(connection, &*service).await.map(|_stream| ()) }
        };
        let _serving = server.serve(serve).expect("a listener");
        offer(address, rates).await
    };
    reactor.block_on(load).expect("the reactor runs")
}

#[test]
fn with_a_bound_on_what_waits_overload_is_served_as_well_as_can_be() {
    let calm = seen(&run(WAITING, &[(CAPACITY / 2.0, TIME)]), WARMUP, TIME);
    let calm_p99 = calm.p99.expect("some are served");
    println!("half the capacity: {:.1} per second, p99 {calm_p99:?}", calm.goodput);
    for (times, share) in [(2.0, 0.95), (5.0, 0.90), (10.0, 0.85)] {
        let recovery = Duration::from_secs(10);
        let outcomes = run(WAITING, &[(times * CAPACITY, TIME), (CAPACITY / 2.0, recovery)]);
        let over = seen(&outcomes, WARMUP, TIME);
        let p99 = over.p99.expect("some are served");
        println!(
            "{times} times: {:.1} per second, p99 {p99:?}, refused {} within {:?}",
            over.goodput, over.refused, over.refusal
        );
        assert!(over.goodput >= share * CAPACITY, "{times} times: {:.1} of {CAPACITY}", over.goodput);
        assert!(p99 <= 2 * calm_p99, "{times} times: {p99:?}, and calm {calm_p99:?}");
        assert!(over.refused > 0 && over.refusal <= WORK, "{times} times: {} within {:?}", over.refused, over.refusal);
        let after = seen(&outcomes, TIME + Duration::from_secs(1), TIME + recovery);
        let after_p99 = after.p99.expect("some are served");
        assert!(after_p99 <= calm_p99 * 13 / 10, "1 s after {times} times: {after_p99:?}, and calm {calm_p99:?}");
        assert!(
            after.refused * 50 <= (CAPACITY / 2.0 * 9.0) as usize,
            "1 s after {times} times: {} refused",
            after.refused
        );
    }
}

#[test]
fn without_a_bound_twice_what_can_be_served_leaves_nobody_served_in_time() {
    let outcomes = run(usize::MAX, &[(2.0 * CAPACITY, TIME)]);
    let over = seen(&outcomes, WARMUP, TIME);
    println!("without a bound, 2 times: {:.1} per second in time, p99 {:?}", over.goodput, over.p99);
    assert!(over.goodput <= CAPACITY / 10.0, "{:.1} per second in time", over.goodput);
    assert_eq!(over.refused, 0);
}
