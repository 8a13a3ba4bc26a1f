//! The endpoints of the dns example: what records make of them, and a client that is called while a name server changes
//! them.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod knot;
    pub(crate) mod program;
}

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use examples::dns::{
    Answer, Changes, Client as Dns, Code, Data, Kind, Name, Question, Record, Refresh, Settings, Target,
};
use futures_core::Stream;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::service::balance::Change;
use mainspring::service::{Service, service_fn};
use mainspring::task::{AbortHandle, JoinSet};
use mainspring::time::{sleep, timeout};
use mainspring::{Client, spawn, testing, unblock};

use util::knot::Knot;
use util::program::{PATIENCE, example};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Records, by who has them and of which type; a question of another one fails.
type Zone = Rc<RefCell<HashMap<(String, Kind), Vec<Record>>>>;

/// What the zone says from now on; of nothing, it says that there is none for 20 s.
fn set(zone: &Zone, owner: &str, kind: Kind, time_to_live_s: u32, data: &[Data]) {
    let record = |data: &Data| Record { name: name(owner), kind, time_to_live_s, data: data.clone() };
    zone.borrow_mut().insert((format!("{owner}."), kind), data.iter().map(record).collect());
}

fn v4(last: u8) -> Data {
    Data::V4([192, 0, 2, last].into())
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Data {
    Data::Service { priority, weight, port, target: name(target) }
}

/// A follower of a zone, and how often anything was asked.
struct Followed {
    changes: Pin<Box<Changes>>,
    asked: Rc<Cell<u32>>,
}

impl Followed {
    fn new(zone: &Zone, target: Target) -> Self {
        let (asked, zone) = (Rc::new(Cell::new(0)), zone.clone());
        let counted = asked.clone();
        let dns = Rc::new(service_fn(async move |question: Question| {
            counted.set(counted.get() + 1);
            let records = zone.borrow().get(&(question.name.to_string(), question.kind)).cloned();
            let records = records.ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))?;
            let data = Data::Zone { primary: name("ns.test"), serial: 1, negative_s: 20 };
            let soa = Record { name: name("test"), kind: Kind::SOA, time_to_live_s: 600, data };
            let authority = if records.is_empty() { vec![soa] } else { Vec::new() };
            let code = Code::NO_ERROR;
            Ok(Answer { id: 0, question, code, is_truncated: false, is_authoritative: true, records, authority })
        }));
        Self { changes: Box::pin(Changes::new(dns, target, Refresh::default())), asked }
    }

    /// What is said at once, sorted.
    async fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let next = poll_fn(|cx| self.changes.as_mut().poll_next(cx));
        let mut next = timeout(Duration::from_millis(1), next).await.ok().flatten();
        while let Some(change) = next {
            said.push(match change {
                Change::Insert { key, weight, priority: 0, .. } => format!("+ {key} {weight}"),
                Change::Insert { key, weight, priority, .. } => format!("+ {key} {weight} as {priority}"),
                Change::Remove(address) => format!("- {address}"),
            });
            let more = poll_fn(|cx| self.changes.as_mut().poll_next(cx));
            next = timeout(Duration::from_millis(1), more).await.ok().flatten();
        }
        said
    }
}

#[test]
fn a_name_is_asked_for_again_by_its_time_to_live_within_bounds() {
    testing::run(async {
        let zone = Zone::default();
        set(&zone, "www.test", Kind::A, 60, &[v4(1), v4(2)]);
        set(&zone, "www.test", Kind::AAAA, 0, &[]);
        let mut followed = Followed::new(&zone, Target::Host(name("www.test"), 80));
        assert_eq!(followed.said().await, ["+ 192.0.2.1:80 1", "+ 192.0.2.2:80 1"]);
        assert_eq!(followed.asked.get(), 2);
        // From here on always 100 ms after it was asked.
        sleep(Duration::from_millis(100)).await;
        // The absence of the other family holds for 20 s, which is less than 60. Then each time is the shortest.
        for (time_to_live_s, seconds) in [(60, 20), (7, 20), (0, 7), (1_000_000, 1), (60, 20)] {
            set(&zone, "www.test", Kind::A, time_to_live_s, &[v4(1), v4(2)]);
            let asked = followed.asked.get();
            sleep(Duration::from_secs(seconds) - Duration::from_millis(200)).await;
            assert_eq!(followed.asked.get(), asked, "before {seconds} s");
            sleep(Duration::from_millis(200)).await;
            assert_eq!(followed.asked.get(), asked + 2, "after {seconds} s");
            assert!(followed.said().await.is_empty(), "nothing has changed");
        }
        // Five minutes at most.
        set(&zone, "www.test", Kind::A, 1_000_000, &[v4(3)]);
        set(&zone, "www.test", Kind::AAAA, 1_000_000, &[Data::V6("2001:db8::1".parse().unwrap())]);
        sleep(Duration::from_secs(20)).await;
        let all = ["+ 192.0.2.3:80 1", "+ [2001:db8::1]:80 1", "- 192.0.2.1:80", "- 192.0.2.2:80"];
        assert_eq!(followed.said().await, all);
        let asked = followed.asked.get();
        sleep(Duration::from_secs(298)).await;
        assert_eq!(followed.asked.get(), asked);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(followed.asked.get(), asked + 2);
    });
}

#[test]
fn what_fails_keeps_the_last_endpoints_and_is_asked_for_less_and_less_often() {
    testing::run(async {
        let zone = Zone::default();
        let mut followed = Followed::new(&zone, Target::Host(name("www.test"), 80));
        assert!(followed.said().await.is_empty());
        sleep(Duration::from_secs(1000)).await;
        // After 1, 2, 4, ... 256 s, and then each 300.
        assert_eq!(followed.asked.get(), 2 * 11);
        set(&zone, "www.test", Kind::A, 10, &[v4(1)]);
        set(&zone, "www.test", Kind::AAAA, 10, &[]);
        sleep(Duration::from_secs(300)).await;
        assert_eq!(followed.said().await, ["+ 192.0.2.1:80 1"]);
        // Neither the silence of the server, nor a name without an address.
        for broken in [None, Some(Vec::new())] {
            zone.borrow_mut().remove(&("www.test.".into(), Kind::A));
            if let Some(none) = broken {
                set(&zone, "www.test", Kind::A, 10, &none);
            }
            sleep(Duration::from_secs(600)).await;
            assert!(followed.said().await.is_empty());
        }
        set(&zone, "www.test", Kind::A, 10, &[v4(2)]);
        sleep(Duration::from_secs(300)).await;
        assert_eq!(followed.said().await, ["+ 192.0.2.2:80 1", "- 192.0.2.1:80"]);
        // Nobody asks when nobody listens.
        let asked = followed.asked.clone();
        drop(followed);
        let before = asked.get();
        sleep(Duration::from_secs(600)).await;
        assert_eq!(asked.get(), before);
    });
}

#[test]
fn a_service_has_the_ports_shares_and_priorities_of_its_records() {
    testing::run(async {
        let zone = Zone::default();
        let app = "_app._tcp.test";
        for (host, data) in [("one", vec![v4(1)]), ("two", vec![v4(2), v4(22)]), ("three", vec![v4(3)])] {
            set(&zone, &format!("{host}.test"), Kind::A, 10, &data);
            set(&zone, &format!("{host}.test"), Kind::AAAA, 10, &[]);
        }
        let three = srv(7, 1, 83, "three.test");
        set(&zone, app, Kind::SRV, 10, &[srv(0, 5, 81, "one.test"), three.clone(), srv(0, 2, 82, "two.test")]);
        let mut followed = Followed::new(&zone, Target::Service(name(app)));
        assert_eq!(
            followed.said().await,
            ["+ 192.0.2.1:81 5", "+ 192.0.2.2:82 1", "+ 192.0.2.3:83 1 as 7", "+ 192.0.2.22:82 1"]
        );

        // Another share, another port, and a share of nothing.
        set(&zone, app, Kind::SRV, 10, &[srv(0, 6, 81, "one.test"), three.clone(), srv(0, 0, 92, "two.test")]);
        sleep(Duration::from_secs(10)).await;
        let changed =
            ["+ 192.0.2.1:81 6", "+ 192.0.2.2:92 0.05", "+ 192.0.2.22:92 0.05", "- 192.0.2.2:82", "- 192.0.2.22:82"];
        assert_eq!(followed.said().await, changed);

        // A host that cannot be asked for has its last addresses, and what changes besides is heeded.
        zone.borrow_mut().remove(&("two.test.".into(), Kind::A));
        set(&zone, "one.test", Kind::A, 10, &[v4(11)]);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(followed.said().await, ["+ 192.0.2.11:81 6", "- 192.0.2.1:81"]);

        // The first one has no address at all, and another is named twice.
        let again = srv(8, 1, 83, "three.test");
        set(&zone, app, Kind::SRV, 10, &[srv(0, 5, 81, "nowhere.test"), again, srv(6, 2, 83, "three.test")]);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(
            followed.said().await,
            ["+ 192.0.2.3:83 2 as 6", "- 192.0.2.2:92", "- 192.0.2.11:81", "- 192.0.2.22:92"]
        );

        // That there is decidedly no such service is no failure.
        set(&zone, app, Kind::SRV, 10, &[srv(0, 0, 0, ".")]);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(followed.said().await, ["- 192.0.2.3:83"]);
    });
}

#[test]
fn a_name_that_stands_for_another_one_is_followed_and_one_for_itself_is_not() {
    testing::run(async {
        let zone = Zone::default();
        for (from, to) in [("a", "b"), ("b", "c"), ("circle", "circle")] {
            for kind in [Kind::A, Kind::AAAA] {
                let data = Data::Name(name(&format!("{to}.test")));
                let alias = Record { name: name(&format!("{from}.test")), kind: Kind::CNAME, time_to_live_s: 5, data };
                zone.borrow_mut().insert((format!("{from}.test."), kind), vec![alias]);
            }
        }
        set(&zone, "c.test", Kind::A, 10, &[v4(1)]);
        set(&zone, "c.test", Kind::AAAA, 10, &[]);
        let mut followed = Followed::new(&zone, Target::Host(name("a.test"), 80));
        assert_eq!(followed.said().await, ["+ 192.0.2.1:80 1"]);
        let mut circle = Followed::new(&zone, Target::Host(name("circle.test"), 80));
        assert!(circle.said().await.is_empty());
        assert!(circle.asked.get() < 20, "{} questions", circle.asked.get());
    });
}

/// A server that answers each byte with its own number.
struct Peer {
    address: SocketAddr,
    calls: Rc<Cell<u32>>,
    open: Rc<Cell<u32>>,
    accepting: AbortHandle,
}

impl Peer {
    fn new(number: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (calls, open) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (address, counts) = (listener.local_addr().unwrap(), (calls.clone(), open.clone()));
        let accepting = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (calls, open) = (counts.0.clone(), counts.1.clone());
                connections.spawn(async move {
                    open.set(open.get() + 1);
                    while matches!(stream.read(&mut [0]).await, Ok(1..)) {
                        calls.set(calls.get() + 1);
                        // As a server that does something.
                        sleep(Duration::from_millis(2)).await;
                        let _ = stream.write_all(&[number]).await;
                    }
                    open.set(open.get() - 1);
                });
            }
        });
        Self { address, calls, open, accepting: accepting.abort_handle() }
    }
}

/// Asks a server for its number.
struct Ask(TcpStream);

impl Service<()> for Ask {
    type Response = u8;
    type Error = io::Error;

    async fn call(&self, (): ()) -> io::Result<u8> {
        self.0.write_all(&[0]).await?;
        let mut answer = [0];
        mainspring::io::read_exact(&mut &self.0, &mut answer).await?;
        Ok(answer[0])
    }
}

/// Waits for what comes from other processes.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it has not come to pass that {what}"));
}

#[test]
fn calls_go_where_the_records_say_and_none_fails_while_they_change() {
    mainspring::run(async {
        let (one, two, three) = (Peer::new(1), Peer::new(2), Peer::new(3));
        let record =
            |peer: &Peer, weight| format!("_app._tcp.test. 1 SRV 0 {weight} {} host.test.", peer.address.port());
        let knot = Arc::new(Knot::start("endpoints", &format!("host A 127.0.0.1\n{}\n", record(&one, 1))));
        let update = async |changes: String| {
            let knot = knot.clone();
            unblock(move || knot.update(&changes)).await.unwrap();
        };
        let dns = Dns::new(
            [knot.address],
            Settings { attempt_timeout: PATIENCE / 12, timeout: PATIENCE, ..Settings::default() },
        );
        let refresh = Refresh { floor: Duration::from_millis(20), ceiling: Duration::from_millis(50) };
        let changes = Changes::new(dns, Target::Service(name("_app._tcp.test")), refresh);
        // Each call is made once: none is saved by a second try.
        let client = Client::builder().attempts(1).follow(changes, async |stream| Ok(Ask(stream))).await.unwrap();

        let (stop, done) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0_u32)));
        let mut load = JoinSet::new();
        for _ in 0..8 {
            let (client, stop, done) = (client.clone(), stop.clone(), done.clone());
            load.spawn(async move {
                while !stop.get() {
                    client.call(()).await.unwrap();
                    done.set(done.get() + 1);
                }
            });
        }
        until("the first one is called", || one.calls.get() > 200).await;
        assert_eq!((two.calls.get(), three.calls.get()), (0, 0));

        // A second one, which has three times the share.
        update(format!("add {}", record(&two, 3))).await;
        until("the second one is called", || two.calls.get() > 0).await;
        let before = (one.calls.get(), two.calls.get());
        until("both are called", || two.calls.get() > before.1 + 300 && one.calls.get() > before.0).await;
        let shares = (one.calls.get() - before.0, two.calls.get() - before.1);
        assert!(shares.1 > shares.0, "{shares:?}, and 1 to 3 is to be expected");

        // A third one in place of the first, in one step. The first one may go once its calls have ended.
        update(format!("del {}\nadd {}", record(&one, 1), record(&three, 1))).await;
        until("the first one is left", || one.open.get() == 0).await;
        one.accepting.abort();
        until("the third one is called", || three.calls.get() > 100).await;

        // The name server is gone, and much time passes for it: the last endpoints stay.
        let before = done.get();
        drop(knot);
        until("calls go on", || done.get() > before + 1_000).await;
        stop.set(true);
        while let Some(end) = load.join_next().await {
            end.expect("no call has failed");
        }
        assert!(done.get() > 1_500, "{} calls", done.get());
    })
    .unwrap();
}

#[test]
fn the_program_shows_endpoints_as_they_change() {
    let knot = Knot::start("endpoints_program", "host A 127.0.0.1\n_app._tcp SRV 3 5 81 host\n");
    let mut command = example("dns");
    command.args(["--server", &knot.address.to_string(), "--follow", "_app._tcp.test", "SRV"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "+ 127.0.0.1:81 3 5");
    knot.update("del _app._tcp.test. SRV\nadd _app._tcp.test. 1 SRV 2 5 82 host.test.");
    assert_eq!(next(), "+ 127.0.0.1:82 2 5");
    assert_eq!(next(), "- 127.0.0.1:81");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_server_that_fails_for_one_family_does_not_hide_the_other() {
    testing::run(async {
        let zone = Zone::default();
        set(&zone, "www.test", Kind::A, 60, &[v4(1)]);
        let mut followed = Followed::new(&zone, Target::Host(name("www.test"), 80));
        assert_eq!(followed.said().await, ["+ 192.0.2.1:80 1"]);
        // It is asked again by the time that the other holds.
        sleep(Duration::from_secs(50)).await;
        assert_eq!(followed.asked.get(), 2);
        // What a family had once is kept while it fails.
        set(&zone, "www.test", Kind::AAAA, 60, &[Data::V6("2001:db8::1".parse().unwrap())]);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(followed.said().await, ["+ [2001:db8::1]:80 1"]);
        zone.borrow_mut().remove(&("www.test.".into(), Kind::AAAA));
        sleep(Duration::from_secs(600)).await;
        assert!(followed.said().await.is_empty());
    });
}
