//! The rpc example: the two sides over a socket, and the program.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod program;
}

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use examples::rpc::{Client, Error, Failure, Method, Server, Sink, StreamMethod, call};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::service::{Deadline, Rejected, Retry, Service, ServiceBuilder, Status};
use mainspring::sync::Notify;
use mainspring::task::JoinSet;
use mainspring::time::{Instant, sleep, timeout};
use mainspring::{JoinHandle, spawn};

use util::program::{AT_ONCE, PATIENCE, Program, example};

struct Add;

impl Method for Add {
    const NUMBER: u32 = 1;
    type Request = (u64, u64);
    type Response = u64;
}

struct Count;

impl StreamMethod for Count {
    const NUMBER: u32 = 2;
    type Request = (u64, u64);
    type Item = u64;
}

/// Answers after so many milliseconds.
struct Sleep;

impl Method for Sleep {
    const NUMBER: u32 = 3;
    type Request = u64;
    type Response = u64;
}

/// So many texts of so many bytes.
struct Texts;

impl StreamMethod for Texts {
    const NUMBER: u32 = 5;
    type Request = (u64, u64);
    type Item = String;
}

/// Answers with so many bytes.
struct Repeat;

impl Method for Repeat {
    const NUMBER: u32 = 21;
    type Request = u64;
    type Response = String;
}

/// Fails with what it is told.
struct Fail;

impl Method for Fail {
    const NUMBER: u32 = 4;
    type Request = String;
    type Response = ();
}

/// A method that the server does not have.
struct Missing;

impl Method for Missing {
    const NUMBER: u32 = 9;
    type Request = ();
    type Response = ();
}

/// `Add`, with requests that are none.
struct Wrong;

impl Method for Wrong {
    const NUMBER: u32 = 1;
    type Request = String;
    type Response = ();
}

/// What the server has seen.
#[derive(Default)]
struct Seen {
    /// Calls of `Sleep` that have begun, and of those the ones that have ended in any way.
    begun: Cell<u32>,
    ended: Cell<u32>,
    /// How much time such a call had left when it began.
    left: RefCell<Vec<Duration>>,
    /// Items that were sent.
    sent: Cell<u64>,
    /// Streams that have ended in any way.
    streams_ended: Cell<u32>,
}

/// Counts when it is dropped.
struct Ends<'a>(&'a Cell<u32>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

struct Fixture {
    client: Client,
    seen: Rc<Seen>,
    serving: JoinHandle<io::Result<()>>,
    drain: Notify,
}

impl Fixture {
    async fn new(calls: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (seen, drain) = (Rc::new(Seen::default()), Notify::new());
        let server = server(seen.clone()).calls(calls);
        let draining = drain.clone();
        let serving = spawn(async move {
            let (stream, _) = listener.accept().await?;
            server.serve(stream, async { draining.notified().await }).await
        });
        Self { client, seen, serving, drain }
    }
}

fn server(seen: Rc<Seen>) -> Server {
    let sleeping = seen.clone();
    Server::new()
        .on::<Add>(async |(one, other)| one.checked_add(other).ok_or_else(|| "too much".to_owned()))
        .on::<Sleep>(async move |milliseconds| {
            sleeping.begun.set(sleeping.begun.get() + 1);
            let left = Deadline::current().expect("each call has a deadline") - Instant::now();
            sleeping.left.borrow_mut().push(left);
            let _ends = Ends(&sleeping.ended);
            sleep(Duration::from_millis(milliseconds)).await;
            Ok(milliseconds)
        })
        .on::<Fail>(async |text| Err(text))
        .on::<Repeat>(async |length| Ok("x".repeat(length as usize)))
        .on_stream::<Texts>(async |(count, length), items: Sink<String>| {
            for _ in 0..count {
                items.send(&"x".repeat(length as usize)).await?;
            }
            Ok(())
        })
        .on_stream::<Count>(async move |(from, to), items: Sink<u64>| {
            let _ends = Ends(&seen.streams_ended);
            for number in from..=to {
                items.send(&number).await?;
                seen.sent.set(seen.sent.get() + 1);
            }
            if to == u64::MAX { Err("that was all".to_owned()) } else { Ok(()) }
        })
}

/// Runs on a reactor, within a time.
fn run(test: impl Future<Output = ()>) {
    mainspring::run(timeout(PATIENCE, test)).unwrap().expect("in time");
}

/// Waits for what the other side does.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE / 4, waiting).await.unwrap_or_else(|_| panic!("it has not come to pass that {what}"));
}

#[test]
fn calls_are_side_by_side_and_failures_come_as_what_they_are() {
    run(async {
        let Fixture { client, .. } = Fixture::new(64).await;
        let start = Instant::now();
        let mut calls = JoinSet::new();
        for number in 0..50 {
            let client = client.clone();
            calls.spawn(async move {
                assert_eq!(client.call::<Sleep>(&(200 - number)).await.unwrap(), 200 - number);
                assert_eq!(client.call::<Add>(&(number, 1)).await.unwrap(), number + 1);
            });
        }
        while let Some(end) = calls.join_next().await {
            end.unwrap();
        }
        // The sum of their times is 8,775 ms.
        assert!(start.elapsed() < Duration::from_millis(8_700), "they were one after the other");

        let failed = |error: Error| match error {
            Error::Failed(failure) => failure,
            error => panic!("{error:?}"),
        };
        let error = client.call::<Add>(&(u64::MAX, 1)).await.unwrap_err();
        assert_eq!(failed(error), Failure::Failed("too much".into()));
        let error = client.call::<Fail>(&"on purpose".to_owned()).await.unwrap_err();
        assert_eq!(failed(error), Failure::Failed("on purpose".into()));
        assert_eq!(failed(client.call::<Missing>(&()).await.unwrap_err()), Failure::Unknown);
        assert_eq!(failed(client.call::<Wrong>(&"text".into()).await.unwrap_err()), Failure::Malformed);
        // None of them has harmed the connection.
        assert_eq!(client.call::<Add>(&(2, 3)).await.unwrap(), 5);
    });
}

#[test]
fn an_answer_that_is_too_long_fails_alone() {
    run(async {
        let Fixture { client, .. } = Fixture::new(64).await;
        let other = client.clone();
        let other = spawn(async move { other.call::<Sleep>(&200).await });
        for length in [1 << 20, 8 << 20] {
            let error = client.call::<Repeat>(&length).await.unwrap_err();
            assert!(matches!(&error, Error::Failed(Failure::Failed(why)) if why.contains("is the most")), "{error:?}");
        }
        assert_eq!(client.call::<Repeat>(&1_000_000).await.unwrap().len(), 1_000_000);
        assert_eq!(other.await.unwrap().unwrap(), 200);
    });
}

#[test]
fn a_deadline_goes_with_the_call_and_ends_it_on_both_sides() {
    run(async {
        let Fixture { client, seen, .. } = Fixture::new(64).await;
        // The server has to begin within it.
        let limit = Duration::from_secs(2);
        let stack = ServiceBuilder::new().deadline(limit).service(client.clone());
        let start = Instant::now();
        let error = call::<Sleep, _>(&stack, &60_000).await.unwrap_err();
        assert!(matches!(error, Error::Elapsed(_) | Error::Failed(Failure::Late)), "{error:?}");
        assert!(start.elapsed() >= limit * 99 / 100 && start.elapsed() < Duration::from_secs(9));
        until("the server has dropped it", || (seen.begun.get(), seen.ended.get()) == (1, 1)).await;
        // Without one it is 10 s.
        assert_eq!(client.call::<Sleep>(&1).await.unwrap(), 1);
        let left = seen.left.borrow();
        let default = Duration::from_secs(10);
        assert!(left[0] <= limit && left[1] <= default && left[1] > default / 2, "{left:?}");
    });
}

#[test]
fn a_call_that_is_dropped_is_dropped_on_the_server() {
    run(async {
        let Fixture { client, seen, .. } = Fixture::new(64).await;
        let calling = client.clone();
        let call = spawn(async move { calling.call::<Sleep>(&60_000).await });
        until("it has begun", || seen.begun.get() == 1).await;
        assert_eq!(seen.ended.get(), 0);
        call.abort();
        until("the server has dropped it", || seen.ended.get() == 1).await;
        assert_eq!(client.call::<Add>(&(2, 3)).await.unwrap(), 5);
    });
}

#[test]
fn calls_beyond_the_limit_are_refused_and_may_be_made_again() {
    run(async {
        let Fixture { client, seen, .. } = Fixture::new(2).await;
        let mut calls = JoinSet::new();
        for _ in 0..2 {
            let client = client.clone();
            calls.spawn(async move { client.call::<Sleep>(&300).await });
        }
        until("both have begun", || seen.begun.get() == 2).await;
        let error = client.call::<Add>(&(1, 1)).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        // After 10 ms, 20 ms and so on.
        let retry = Retry::new().classifier(Error::classify::<Vec<u8>>).attempts(10);
        let stack = ServiceBuilder::new().filter(retry).service(client.clone());
        assert_eq!(call::<Add, _>(&stack, &(1, 1)).await.unwrap(), 2);
        while let Some(end) = calls.join_next().await {
            assert_eq!(end.unwrap().unwrap(), 300);
        }
        assert_eq!(seen.ended.get(), 2);
    });
}

#[test]
fn a_stream_has_all_its_items_in_order_and_then_its_end() {
    run(async {
        let Fixture { client, seen, .. } = Fixture::new(64).await;
        for length in [0, 1, 31, 32, 33, 5_000] {
            let (mut items, mut count) = (client.stream::<Count>(&(1, length)), 0);
            while let Some(item) = items.next().await {
                count += 1;
                assert_eq!(item.unwrap(), count);
            }
            assert_eq!(count, length);
            assert!(items.next().await.is_none(), "the end stays");
        }
        assert_eq!(seen.streams_ended.get(), 6);
        // A failure stands behind the items before it.
        let mut items = client.stream::<Count>(&(u64::MAX - 1, u64::MAX));
        assert!(matches!(items.next().await, Some(Ok(item)) if item == u64::MAX - 1));
        assert!(matches!(items.next().await, Some(Ok(u64::MAX))));
        assert!(
            matches!(items.next().await, Some(Err(Error::Failed(Failure::Failed(text)))) if text == "that was all")
        );
        assert!(items.next().await.is_none());
    });
}

#[test]
fn the_end_of_a_stream_does_not_overtake_what_is_long_to_write() {
    run(async {
        let Fixture { client, .. } = Fixture::new(64).await;
        for count in [1, 2, 7, 40] {
            let (mut items, mut texts) = (client.stream::<Texts>(&(count, 900_000)), 0);
            while let Some(item) = items.next().await {
                assert_eq!(item.unwrap().len(), 900_000);
                texts += 1;
            }
            assert_eq!(texts, count);
        }
    });
}

#[test]
fn a_server_ends_what_is_late_though_its_client_says_nothing() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let seen = Rc::new(Seen::default());
        let server = server(seen.clone());
        spawn(async move { server.serve(listener.accept().await?.0, pending()).await });
        // A call of id 7 and method 3, no stream, 100 ms left, of which it takes a minute.
        let request =
            [&[0, 0, 0, 25, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 100][..], &60_000_u64.to_be_bytes()];
        stream.write_all(&request.concat()).await.unwrap();
        let mut answer = [0; 10];
        mainspring::io::read_exact(&mut &stream, &mut answer).await.unwrap();
        assert_eq!(answer, [0, 0, 0, 6, 2, 0, 0, 0, 7, 3], "a failure, since it is late");
        assert_eq!((seen.begun.get(), seen.ended.get()), (1, 1));
    });
}

#[test]
fn streams_and_calls_share_the_connection_and_a_slow_reader_holds_up_itself_alone() {
    run(async {
        // As many streams as there are places, all of which wait for their readers.
        let Fixture { client, seen, .. } = Fixture::new(20).await;
        let mut streams: Vec<_> = (0..19).map(|_| client.stream::<Count>(&(1, 10_000))).collect();
        for stream in &mut streams {
            assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        }
        // What was granted, and no more.
        until("all are sent that may be", || seen.sent.get() == 19 * 32).await;
        sleep(Duration::from_millis(50)).await;
        assert_eq!(seen.sent.get(), 19 * 32);
        assert_eq!(client.call::<Add>(&(2, 3)).await.unwrap(), 5);
        // One of them is read to its end while the others stand.
        let mut last = 1;
        while let Some(item) = streams[7].next().await {
            last = item.unwrap();
        }
        assert_eq!(last, 10_000);
        // Those that are dropped end on the server.
        assert_eq!(seen.streams_ended.get(), 1);
        streams.clear();
        until("they have ended", || seen.streams_ended.get() == 19).await;
        assert_eq!(client.call::<Add>(&(2, 3)).await.unwrap(), 5);
    });
}

#[test]
fn a_server_that_drains_finishes_what_it_has_and_refuses_the_rest() {
    run(async {
        let Fixture { client, seen, serving, drain } = Fixture::new(64).await;
        let calling = client.clone();
        let slow = spawn(async move { calling.call::<Sleep>(&500).await });
        let mut short = client.stream::<Count>(&(1, 20));
        let mut long = client.stream::<Count>(&(1, 1_000));
        for stream in [&mut short, &mut long] {
            assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        }
        until("all have begun", || seen.begun.get() == 1 && seen.sent.get() == 20 + 32).await;
        drain.notify_one();
        until("the client has heard of it", || client.status() == Status::Closed).await;
        let error = client.call::<Add>(&(1, 1)).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        // A stream has what it was granted: the short one all, the long one an error behind that.
        let mut numbers = 1;
        while let Some(item) = short.next().await {
            numbers += 1;
            assert_eq!(item.unwrap(), numbers);
        }
        assert_eq!(numbers, 20);
        let (mut numbers, mut end) = (1, None);
        while let Some(item) = long.next().await {
            match item {
                Ok(number) => {
                    numbers += 1;
                    assert_eq!(number, numbers);
                }
                Err(error) => end = Some(error),
            }
        }
        assert_eq!(numbers, 32);
        assert!(matches!(end, Some(Error::Rejected(Rejected::Down))), "{end:?}");
        assert_eq!(slow.await.unwrap().unwrap(), 500);
        serving.await.unwrap().unwrap();
        assert_eq!(seen.streams_ended.get(), 2);
    });
}

#[test]
fn what_is_no_message_ends_its_connection_alone() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = spawn(async move {
            let server = Rc::new(server(Rc::default()));
            let mut ends = Vec::new();
            for _ in 0..4 {
                let (stream, _) = listener.accept().await.unwrap();
                ends.push(server.serve(stream, pending()).await);
            }
            ends
        });
        let frames: [&[u8]; 3] = [&[0, 0, 0, 0], &[0, 0, 0, 2, 5, 0], &[0xff, 0xff, 0xff, 0xff, 0]];
        for frame in frames {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(frame).await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "{frame:?} is answered");
        }
        let client = Client::new(TcpStream::connect(address).await.unwrap());
        assert_eq!(client.call::<Add>(&(2, 3)).await.unwrap(), 5);
        drop(client);
        let ends = serving.await.unwrap();
        assert!(ends[..3].iter().all(Result::is_err) && ends[3].is_ok(), "{ends:?}");
    });
}

/// What a call of the program prints, and whether it succeeds.
fn rpc(program: &Program, arguments: &[&str]) -> (String, String, bool) {
    let output = example("rpc").args(["--to", &program.address.to_string()]).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[test]
fn the_program_calls_itself() {
    let server = Program::start("rpc", &["--threads", "2"]);
    assert_eq!(rpc(&server, &["add", "2", "3"]), ("5\n".into(), String::new(), true));
    let (output, _, is_success) = rpc(&server, &["--timeout", "60s", "count", "1", "10000"]);
    assert!(is_success && output.lines().eq((1..=10_000).map(|number| number.to_string())));
    assert_eq!(rpc(&server, &["sleep", "1"]), (String::new(), String::new(), true));
    let (_, error, is_success) = rpc(&server, &["add", "18446744073709551615", "3"]);
    assert_eq!((&*error, is_success), ("rpc: 18446744073709551615 and 3 are too much\n", false));
    let (_, error, is_success) = rpc(&server, &["--timeout", "100ms", "sleep", "60000"]);
    // Whichever of the two sides sees it first.
    let is_late = error.contains("deadline") || error.contains("the time of the call was over");
    assert!(error.starts_with("rpc: ") && is_late && !is_success, "{error}");
    assert!(server.end("TERM", AT_ONCE).success());
}
