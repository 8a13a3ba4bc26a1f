//! The dns example: against a real name server, and against one that says what the test wants.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod knot;
    pub(crate) mod program;
}

use std::collections::HashSet;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use examples::dns::transport::Datagrams;
use examples::dns::{Answer, Checked, Client, Code, Data, Kind, Name, Query, Question, Settings, decode, encode};
use mainspring::net::{TcpListener, UdpSocket};
use mainspring::proto::Transport;
use mainspring::service::Service;
use mainspring::spawn;
use mainspring::task::JoinSet;
use mainspring::time::timeout;

use util::knot::Knot;
use util::program::{PATIENCE, example};

fn question(name: &str, kind: Kind) -> Question {
    Question { name: name.parse().unwrap(), kind }
}

/// For a server that may have to wait for its turn, as another process has.
fn patient() -> Settings {
    Settings { attempts: 10, attempt_timeout: PATIENCE / 12, timeout: PATIENCE, ..Settings::default() }
}

/// Runs on a reactor, within a time.
fn run<T>(future: impl Future<Output = T>) -> T {
    mainspring::run(timeout(PATIENCE, future)).unwrap().expect("in time")
}

/// The same for the program.
const PATIENT: [&str; 6] = ["--attempts", "10", "--attempt-timeout", "5s", "--timeout", "60s"];

/// What the program prints, and whether it succeeds.
fn dns(server: SocketAddr, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = example("dns").args(["--server", &server.to_string()]).args(PATIENT).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn each_type_is_printed_over_either_protocol_and_what_is_not_there_is_a_failure() {
    let records = "www 5 A 192.0.2.1\nwww 5 AAAA 2001:db8::1\nalias 6 CNAME www\n@ 7 MX 10 mail\n\
        _http._tcp 8 SRV 1 2 80 www\ntext 9 TXT \"a \\\"b\\\"\" c\nodd 3 TYPE65280 \\# 3 0102ff\n";
    let knot = Knot::start("dns_types", records);
    for tcp in [&[][..], &["--tcp"]] {
        for (name, kind, expected) in [
            ("www.test", "A", "www.test. 5 A 192.0.2.1\n"),
            ("WWW.test.", "aaaa", "www.test. 5 AAAA 2001:db8::1\n"),
            ("alias.test", "A", "alias.test. 6 CNAME www.test.\nwww.test. 5 A 192.0.2.1\n"),
            ("test", "MX", "test. 7 MX 10 mail.test.\n"),
            ("test", "NS", "test. 1 NS ns.test.\n"),
            ("test", "SOA", "test. 60 SOA ns.test. serial 1, negative 7\n"),
            ("_http._tcp.test", "SRV", "_http._tcp.test. 8 SRV 1 2 80 www.test.\n"),
            ("text.test", "TXT", "text.test. 9 TXT \"a \\\"b\\\"\" \"c\"\n"),
            ("odd.test", "TYPE65280", "odd.test. 3 TYPE65280 \\# 3 01 02 ff\n"),
        ] {
            let answer = dns(knot.address, &[&[name, kind], tcp].concat());
            assert_eq!(answer, (expected.to_owned(), String::new(), Some(0)), "{name} {kind} {tcp:?}");
        }
        for (name, kind, expected) in [
            ("nobody.test", "A", "dns: nobody.test. A: there is no such name\n"),
            ("www.test", "SRV", "dns: www.test. SRV: the name has no such record\n"),
            ("elsewhere", "A", "dns: elsewhere. A: the server refuses to answer\n"),
        ] {
            let answer = dns(knot.address, &[&[name, kind], tcp].concat());
            assert_eq!(answer, (String::new(), expected.to_owned(), Some(1)), "{name} {kind} {tcp:?}");
        }
    }
}

#[test]
fn the_command_line_says_what_is_wrong_with_it() {
    let nobody = Ipv4Addr::LOCALHOST;
    for (name, kind, message) in [
        ("a..b", "A", "\"\" in \"a..b\" is no label"),
        (&"a".repeat(64), "A", "is no label: 1 to 63 bytes"),
        (&"a.".repeat(200), "A", "is longer than 255 bytes"),
        ("a", "B", "\"B\" is no type"),
    ] {
        let (_, error, code) = dns(SocketAddr::from((nobody, 9)), &[name, kind]);
        assert!(code == Some(2) && error.contains(message), "{name} {kind} gave {error}");
    }
    // A port that was free a moment ago.
    let address = run(async { UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap() });
    let (_, error, code) = dns(address, &["a"]);
    assert!(code == Some(1) && error.contains("refused"), "{error}");
}

#[test]
fn an_answer_that_does_not_fit_a_datagram_comes_over_a_connection() {
    let mut records = String::new();
    for number in 0..200 {
        writeln!(records, "many A 192.0.2.{number}").unwrap();
    }
    writeln!(records, "big TXT {}", vec![format!("\"{}\"", "x".repeat(250)); 100].join(" ")).unwrap();
    let knot = Knot::start("dns_truncated", &records);
    run(async {
        let asked = question("many.test", Kind::A);
        // What the datagram says.
        let mut datagrams = Datagrams::new(knot.address).await.unwrap();
        datagrams.send(Query::Ask(7, asked.clone())).unwrap();
        poll_fn(|cx| datagrams.poll_flush(cx)).await.unwrap();
        let answer = poll_fn(|cx| datagrams.poll_receive(cx)).await.unwrap().unwrap();
        assert_eq!((answer.id, answer.is_truncated, answer.records.len()), (7, true, 0));

        let client = Client::new([knot.address], patient());
        let (many, big) = (client.call(asked), client.call(question("big.test", Kind::TXT)));
        let many = many.await.unwrap();
        let addresses: HashSet<_> = many.records.iter().map(|record| format!("{}", record.data)).collect();
        assert_eq!((many.is_truncated, addresses.len()), (false, 200));
        let big = big.await.unwrap();
        assert!(matches!(&big.records[0].data, Data::Text(texts) if texts.len() == 100));
    });
}

#[test]
fn questions_are_in_flight_side_by_side_and_each_answer_finds_its_own() {
    let mut records = String::new();
    for number in 0..500 {
        writeln!(records, "n{number} A 10.0.{}.{}", number / 256, number % 256).unwrap();
    }
    let knot = Knot::start("dns_many", &records);
    for tcp_only in [false, true] {
        run(async {
            let client = Client::new([knot.address], Settings { tcp_only, ..patient() });
            let mut asking = JoinSet::new();
            for number in 0..500_u32 {
                let client = client.clone();
                asking.spawn(async move { (number, client.call(question(&format!("n{number}.test"), Kind::A)).await) });
            }
            let mut answers = 0;
            while let Some(answer) = asking.join_next().await {
                let (number, answer) = answer.unwrap();
                let records = answer.unwrap().records;
                assert_eq!(records[0].data, Data::V4(Ipv4Addr::from(0x0a00_0000 + number)));
                answers += 1;
            }
            assert_eq!(answers, 500);
        });
    }
}

/// A name server in the hands of a test.
struct Scripted(UdpSocket);

impl Scripted {
    fn new() -> (Self, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (Self(socket), address)
    }

    /// The next question, as it arrived, and from where.
    async fn question(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 512];
        let (count, client) = self.0.recv_from(&mut buffer).await.unwrap();
        (buffer[..count].to_vec(), client)
    }
}

/// The answer to a question: one address, or a code.
fn answer(question: &[u8], outcome: Result<[u8; 4], u8>) -> Vec<u8> {
    // Without what is added at the end, 11 bytes.
    let mut answer = question[..question.len() - 11].to_vec();
    answer[2..12].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    match outcome {
        Ok(address) => {
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address);
        }
        Err(code) => answer[3] = code,
    }
    answer
}

#[test]
fn an_answer_counts_if_its_id_its_question_and_its_sender_are_right() {
    run(async {
        let ((server, address), (stranger, _)) = (Scripted::new(), Scripted::new());
        let forging = spawn(async move {
            let (asked, client) = server.question().await;
            let good = answer(&asked, Ok([192, 0, 2, 1]));
            let bad = answer(&asked, Ok([6, 6, 6, 6]));
            let mut other_id = bad.clone();
            other_id[1] ^= 1;
            let mut other_name = bad.clone();
            other_name[13] = b'b';
            let mut is_question = bad.clone();
            is_question[2] = 0;
            let cut = &bad[..bad.len() - 1];
            let long = vec![0; 2_000];
            for forged in [&other_id[..], &other_name, &is_question, cut, &long, b"", b"\x00"] {
                server.0.send_to(forged, client).await.unwrap();
            }
            stranger.0.send_to(&bad, client).await.unwrap();
            server.0.send_to(&good, client).await.unwrap();
            // And what comes too late.
            server.0.send_to(&bad, client).await.unwrap();
            let (asked, client) = server.question().await;
            server.0.send_to(&answer(&asked, Ok([192, 0, 2, 2])), client).await.unwrap();
        });
        let client = Client::new([address], patient());
        for last in [1, 2] {
            let answer = client.call(question("a.test", Kind::A)).await.unwrap();
            assert_eq!(answer.records[0].data, Data::V4([192, 0, 2, last].into()));
        }
        forging.await.unwrap();
    });
}

#[test]
fn an_answer_that_is_cut_off_over_a_connection_too_is_an_error() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut length = [0; 2];
            while mainspring::io::read_exact(&mut &stream, &mut length).await.is_ok() {
                let mut asked = vec![0; u16::from_be_bytes(length).into()];
                mainspring::io::read_exact(&mut &stream, &mut asked).await.unwrap();
                let mut cut = answer(&asked, Err(0));
                cut[2] |= 2;
                stream.write_all(&[&(cut.len() as u16).to_be_bytes(), &cut[..]].concat()).await.unwrap();
            }
        });
        let client = Client::new([address], Settings { attempts: 1, tcp_only: true, ..patient() });
        let error = client.call(question("a.test", Kind::A)).await.unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
        serving.abort();
    });
}

#[test]
fn ids_do_not_follow_from_each_other_and_ports_change() {
    run(async {
        let (server, address) = Scripted::new();
        let client = Client::new([address], patient());
        let asking = spawn(async move {
            for _ in 0..300 {
                client.call(question("a.test", Kind::A)).await.unwrap();
            }
        });
        let (mut ids, mut ports) = (Vec::new(), HashSet::new());
        for _ in 0..300 {
            let (asked, peer) = server.question().await;
            ids.push(u16::from_be_bytes([asked[0], asked[1]]));
            ports.insert(peer.port());
            server.0.send_to(&answer(&asked, Ok([192, 0, 2, 1])), peer).await.unwrap();
        }
        asking.await.unwrap();
        let near = ids.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 256).count();
        assert!(near < 30, "{near} of 300 ids are near the one before, and 2 or 3 are to be expected");
        assert!(ports.len() >= 3, "{} ports", ports.len());
    });
}

#[test]
fn what_is_not_answered_is_asked_again_and_elsewhere() {
    let (silent, failing, working) = run(async {
        let ((silent, one), (failing, two), (working, three)) = (Scripted::new(), Scripted::new(), Scripted::new());
        let asked =
            [(silent, None), (failing, Some(Err(2))), (working, Some(Ok([192, 0, 2, 1])))].map(|(server, says)| {
                let count = std::rc::Rc::new(std::cell::Cell::new(0));
                let counted = count.clone();
                spawn(async move {
                    loop {
                        let (asked, client) = server.question().await;
                        counted.set(counted.get() + 1);
                        if let Some(outcome) = says {
                            server.0.send_to(&answer(&asked, outcome), client).await.unwrap();
                        }
                    }
                });
                count
            });
        let attempt_timeout = Duration::from_millis(200);
        // Until both of the others are taken for dead, after five failures each, and one more: which is asked is random.
        let settings = Settings { attempts: 11, attempt_timeout, ..patient() };
        let client = Client::new([one, two, three], settings);
        for _ in 0..20 {
            let answer = client.call(question("a.test", Kind::A)).await.unwrap();
            assert_eq!(answer.code, Code::NO_ERROR);
        }
        let [silent, failing, working] = asked.map(|count| count.get());
        (silent, failing, working)
    });
    assert!(working >= 20);
    assert!(silent > 0 && failing > 0, "{silent} and {failing}: neither was ever asked, and nothing is shown");
    assert!(silent + failing < 20, "{silent} and {failing}: they are asked again and again");
}

#[test]
fn a_question_that_nobody_waits_for_any_more_takes_no_place() {
    run(async {
        let (_server, address) = Scripted::new();
        let mut transport = Checked::new(Datagrams::new(address).await.unwrap());
        let mut refused = None;
        for id in 0..6_000 {
            if let Err(error) = transport.send(Query::Ask(id, question("a.test", Kind::A))) {
                refused = Some((id, error.to_string()));
                break;
            }
            poll_fn(|cx| transport.poll_flush(cx)).await.unwrap();
            if (900..5_000).contains(&id) {
                transport.send(Query::Forget(id - 900)).unwrap();
            }
        }
        assert_eq!(refused, Some((5_100, "1000 questions are open already".to_owned())));
    });
}

/// A valid answer with names that point back, and a record of each kind of content.
fn sample() -> Vec<u8> {
    let mut asked = Vec::new();
    encode(5, &question("www.example.test", Kind::A), &mut asked);
    let mut message = answer(&asked, Ok([192, 0, 2, 1]));
    // A name that is a label and the end of the first one.
    let srv = [0, 1, 0, 2, 0, 80, 3, b'o', b'n', b'e', 0xc0, 16];
    for (kind, data) in [(33, &srv[..]), (16, &b"\x02ab\x00"[..]), (5, &[0xc0, 12][..])] {
        message[7] += 1;
        message.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        message.extend(data);
    }
    message
}

fn decoded(message: &[u8]) -> Result<Answer, String> {
    decode(message).map_err(|error| error.to_string())
}

#[test]
fn names_point_back_and_whatever_bytes_arrive_ends_well() {
    let answer = decoded(&sample()).unwrap();
    let shown: Vec<_> = answer.records.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(shown, ["192.0.2.1", "1 2 80 one.example.test.", "\"ab\" \"\"", "www.example.test."]);

    // To itself, to the place of itself by way of another, and forwards.
    let circles: [&[u8]; 3] = [&[0xc0, 12], &[1, b'a', 0xc0, 12], &[0xc0, 14, 0]];
    for name in circles {
        let message = [&[0, 5, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 1, 0, 1]].concat();
        assert!(decoded(&message).unwrap_err().contains("points in circles"), "{name:?}");
    }
    // All that can be cut off, and a few bytes that are others.
    for end in 0..sample().len() {
        assert!(decode(&sample()[..end]).is_err(), "{end} bytes are no answer");
    }
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut wrong = 0;
    for _ in 0..50_000 {
        let mut message = sample();
        for _ in 0..=random(4) {
            let place = random(message.len());
            message[place] = random(256) as u8;
        }
        wrong += usize::from(decode(&message).is_err());
    }
    assert!((10_000..50_000).contains(&wrong), "{wrong} of 50,000 are no answers");
}

#[test]
fn names_are_compared_in_lower_case_and_shown_with_escapes() -> Result<(), String> {
    assert_eq!("WwW.Example.".parse::<Name>()?, "www.example".parse()?);
    assert!(".".parse::<Name>()?.is_root());
    let message = [&[0, 5, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[4, b'A', b'.', 7, b'\\', 0, 0, 1, 0, 1]].concat();
    assert_eq!(decoded(&message)?.question.name.to_string(), "a\\.\\007\\\\.");
    Ok(())
}

#[test]
fn a_program_that_ends_leaves_no_question_open() {
    run(async {
        let (server, address) = Scripted::new();
        let client = Client::new([address], patient());
        let call = spawn(async move { client.call(question("a.test", Kind::A)).await });
        let (asked, peer) = server.question().await;
        call.abort();
        assert!(call.await.is_err());
        // The socket is gone with its last call, so the system says so to whoever answers.
        let answer = answer(&asked, Ok([192, 0, 2, 1]));
        let refused = async {
            server.0.connect(peer).await?;
            loop {
                server.0.send(&answer).await?;
                mainspring::yield_now().await;
            }
        };
        let error: io::Result<()> = refused.await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}
