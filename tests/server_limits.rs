//! What a server holds its connections to unless it is told otherwise: deadlines, age, and what it does under pressure.
#![cfg(feature = "service")]

mod util;

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use mainspring::codec::{Framed, Lines};
use mainspring::net::TcpStream;
use mainspring::proto::{Deadlines, Pressure};
use mainspring::server::{Connection, Serving};
use mainspring::service::{Rejected, Service, ServiceExt, Status, service_fn};
use mainspring::time::{Instant, sleep};
use mainspring::{Server, yield_now};

use util::runtime::in_virtual_time;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Answers each line with itself; `never` with nothing, and `later` after a minute and a half.
async fn echo(connection: Connection) -> io::Result<()> {
    let service = service_fn(async |line: String| {
        match line.as_str() {
            "never" => pending().await,
            "later" => sleep(90 * SECOND).await,
            _ => {}
        }
        io::Result::Ok(line)
    });
    let (stream, server) = connection.pipeline()?;
    server.serve(Framed::new(stream, Lines::new()), &service).await.map_err(io::Error::other)
}

fn serve(server: mainspring::server::ServerBuilder) -> (SocketAddr, Serving) {
    let server = server.bind("127.0.0.1:0").unwrap();
    (server.local_addr(), server.serve(echo).unwrap())
}

/// How long after now the peer closes, whatever it sends before.
async fn closed_after(stream: &TcpStream) -> Duration {
    let start = Instant::now();
    while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
    start.elapsed()
}

/// Whether the two are the same but for what a loaded machine adds to them.
fn is_about(found: Duration, expected: Duration) -> bool {
    found >= expected && found < expected + SECOND / 2
}

#[test]
fn each_phase_of_a_connection_has_its_deadline_without_a_setting() {
    in_virtual_time(async {
        let (address, _serving) = serve(Server::builder());
        let rows: [(&[u8], Duration); 4] =
            [(b"", 30 * SECOND), (b"some of a lin", 30 * SECOND), (b"a line\n", 5 * MINUTE), (b"never\n", MINUTE)];
        for (sent, limit) in rows {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent).await.unwrap();
            let closed = closed_after(&stream).await;
            assert!(is_about(closed, limit), "{:?}: {closed:?}, not {limit:?}", sent.escape_ascii().to_string());
        }
    });
}

#[test]
fn one_call_changes_all_deadlines() {
    in_virtual_time(async {
        let deadlines =
            Deadlines { first_byte: SECOND, partial_frame: 2 * SECOND, idle: 3 * SECOND, request: 4 * SECOND };
        let (address, _serving) = serve(Server::builder().deadlines(deadlines));
        for (sent, seconds) in [(&b""[..], 1), (b"part", 2), (b"line\n", 3), (b"never\n", 4)] {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent).await.unwrap();
            let closed = closed_after(&stream).await;
            assert!(is_about(closed, seconds * SECOND), "{:?}: {closed:?}", sent.escape_ascii().to_string());
        }
        let (address, serving) = serve(Server::builder().deadlines(Deadlines::OFF).max_age(None));
        let _streams = join_all((0..3).map(|_| TcpStream::connect(address))).await;
        sleep(1000 * HOUR).await;
        assert_eq!(serving.connections(), 3);
    });
}

#[test]
fn a_handler_of_its_own_has_the_idle_time_as_its_read_timeout() {
    in_virtual_time(async {
        let read = |connection: Connection| async move { connection.stream.read(&mut [0; 8]).await.map(|_| ()) };
        for (builder, limit) in [(Server::builder(), 5 * MINUTE), (Server::builder().idle(Some(SECOND)), SECOND)] {
            let server = builder.bind("127.0.0.1:0").unwrap();
            let stream = TcpStream::connect(server.local_addr()).await.unwrap();
            let _serving = server.serve(read).unwrap();
            let closed = closed_after(&stream).await;
            assert!(is_about(closed, limit), "{closed:?}");
        }
    });
}

#[test]
fn connections_that_are_old_retire_one_by_one_about_an_hour_after_they_came() {
    in_virtual_time(async {
        let (address, _serving) = serve(Server::builder().idle(None));
        let ages = join_all((0..40).map(|_| async {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"hello\n").await.unwrap();
            closed_after(&stream).await
        }))
        .await;
        let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*least >= HOUR - HOUR / 10 && *most <= HOUR + HOUR / 10 + SECOND, "{least:?} to {most:?}");
        assert!(*most - *least > HOUR / 20, "they leave together: {least:?} to {most:?}");
    });
}

#[test]
fn an_age_that_is_never_reached_ends_nothing() {
    in_virtual_time(async {
        let (address, serving) = serve(Server::builder().max_age(Some(Duration::MAX)));
        // As many as it takes for one that lives longer than that.
        for _ in 0..20 {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"hello\n").await.unwrap();
            assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 6);
        }
        drop(serving);
    });
}

#[test]
fn a_request_that_is_in_flight_when_its_connection_is_old_is_answered() {
    in_virtual_time(async {
        let deadlines = Deadlines { request: HOUR, ..Deadlines::default() };
        let (address, _serving) = serve(Server::builder().deadlines(deadlines).max_age(Some(MINUTE)));
        let stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"later\n").await.unwrap();
        let (start, mut answer) = (Instant::now(), [0; 16]);
        assert_eq!(stream.read(&mut answer).await.unwrap(), 6);
        assert!(is_about(start.elapsed(), 90 * SECOND));
        assert_eq!(stream.read(&mut answer).await.unwrap(), 0, "and then the connection is closed");
        assert!(is_about(start.elapsed(), 90 * SECOND));
    });
}

#[test]
fn under_pressure_the_deadlines_that_run_are_shortened() {
    in_virtual_time(async {
        let (address, serving) = serve(Server::builder().connections(100));
        let connect = async |count| {
            let streams = join_all((0..count).map(|_| TcpStream::connect(address))).await;
            while serving.connections() < 100.min(count) {
                yield_now().await;
            }
            streams.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        // At 85 of 100 nothing is different.
        let first = connect(85).await;
        sleep(20 * SECOND).await;
        assert_eq!(serving.connections(), 85);
        // At 95 each has 2 s since it came, and not 30: the first to go make it better for those behind them.
        let start = Instant::now();
        let second = connect(10).await;
        let mut closed = join_all(first.iter().map(closed_after)).await;
        closed.sort();
        let (soon, rest): (Vec<_>, Vec<_>) = closed.into_iter().partition(|time| *time < 9 * SECOND);
        assert!((8..=11).contains(&soon.len()), "until 85 are left: {soon:?}");
        assert!(soon[5] < SECOND && soon[9] > SECOND, "ever later as there are fewer: {soon:?}");
        assert!(rest.iter().all(|time| is_about(*time, 10 * SECOND)), "{rest:?}");
        // Those who came last have their whole time.
        let closed = join_all(second.iter().map(closed_after)).await;
        assert!(is_about(start.elapsed(), 30 * SECOND) && closed.len() == 10, "{closed:?}");
    });
}

#[test]
fn deadlines_shrink_as_those_of_envoy_do() {
    let rows = [(0, 600.0), (850, 600.0), (900, 301.0), (920, 181.4), (950, 2.0), (1000, 2.0)];
    let pressure = Pressure::new(1);
    for (open, seconds) in rows {
        pressure.set_connections(open, 1000);
        let shortened = pressure.shorten(600 * SECOND).as_secs_f64();
        assert!((shortened - seconds).abs() < 1e-3, "{open} of 1000: {shortened}, not {seconds}");
        assert_eq!(pressure.shorten(SECOND), SECOND, "{open} of 1000: what is short stays");
        assert_eq!(pressure.shorten(Duration::MAX), Duration::MAX, "{open} of 1000: what is off stays off");
    }
}

#[test]
fn a_growing_share_of_requests_is_rejected_before_there_are_too_many() {
    in_virtual_time(async {
        let begun = Rc::new(Cell::new(0));
        let (count, pressure) = (begun.clone(), Pressure::new(100));
        let service = service_fn(move |()| {
            count.set(count.get() + 1);
            pending::<Result<(), Rejected>>()
        });
        let service = service.filter(pressure.admission());
        let mut calls = Vec::new();
        let mut share = async |offered| {
            let before = begun.get();
            for _ in 0..offered {
                let mut call = Box::pin(service.call(()));
                if futures::poll!(call.as_mut()).is_pending() {
                    calls.push(call);
                }
            }
            begun.get() - before
        };
        assert_eq!(share(86).await, 86, "the 86th finds 85 in flight, and nothing is shed");
        let next = share(20).await;
        assert!((10..14).contains(&next), "of those to 98 of 100 ever fewer: {next}");
        assert!(pressure.level() > 0.95);
        share(1000).await;
        assert_eq!(pressure.in_flight(), 100);
        assert_eq!(Service::<()>::status(&service), Status::Busy);
        assert_eq!(share(1000).await, 0, "and at the limit none");
        // In flight is what has not ended, however it ends.
        calls.clear();
        assert_eq!((pressure.in_flight(), pressure.level()), (0, 0.0));
        assert_eq!(Service::<()>::status(&service), Status::Open);
    });
}
