//! The redis client among the examples, against the real server.
#![forbid(unsafe_code)]
mod util {
    pub(crate) mod program;
    pub(crate) mod redis;
}

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use examples::redis::{Command, Error, Redis, Settings, Value};
use mainspring::task::JoinSet;
use mainspring::time::{Instant, sleep};
use util::program::{PATIENCE, example};
use util::redis::{RealRedis, tool};

/// For a server that is another process, which may have to wait for its turn.
fn patient() -> Settings {
    Settings { timeout: PATIENCE, ..Settings::default() }
}

#[test]
fn each_typed_command_does_what_it_says() {
    let real = RealRedis::start();
    mainspring::run(async {
        let redis = Redis::connect(real.address, patient()).await?;
        redis.ping().await?;
        assert_eq!(redis.get("key").await?, None);
        redis.set("key", b"\x00\r\n\xff", None).await?;
        assert_eq!(redis.get("key").await?.as_deref(), Some(&b"\x00\r\n\xff"[..]));
        assert!(!redis.set_new("key", "other").await?);
        assert!(redis.set_new("new", "other").await?);
        assert_eq!(redis.get_all(["new", "nothing"]).await?, [Some(b"other".to_vec()), None]);
        assert!(redis.exists("new").await?);
        assert_eq!(redis.delete(["new", "nothing"]).await?, 1);
        assert_eq!(redis.increment("number", 5).await?, 5);
        assert_eq!(redis.increment("number", -7).await?, -2);
        assert_eq!(redis.lives("number").await?, None);
        assert!(redis.expire("number", Duration::from_secs(100)).await?);
        let lives = redis.lives("number").await?.expect("it has an end");
        assert!(lives > Duration::from_secs(50) && lives <= Duration::from_secs(100), "{lives:?}");
        redis.set("short", "", Some(Duration::from_secs(60))).await?;
        assert!(redis.lives("short").await?.is_some());
        for (length, item) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(redis.push_left("list", item).await?, length as i64 + 1);
        }
        assert_eq!(redis.pop_right("list").await?.as_deref(), Some(&b"a"[..]));
        assert_eq!(redis.range("list", 0, -1).await?, [b"c", b"b"]);
        let error = redis.get("list").await.expect_err("it is a list");
        assert!(matches!(&error, Error::Refused(words) if words.starts_with("WRONGTYPE")), "{error}");
        let many = vec![Command::new("PING"); 10_001];
        assert!(matches!(redis.batch(many).await, Err(Error::TooMany(10_001))));
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .expect("a reactor")
    .expect("no error");
}

#[test]
fn batches_of_many_tasks_have_their_own_answers() {
    const TASKS: i64 = 32;
    const ROUNDS: i64 = 20;
    let real = RealRedis::start();
    mainspring::run(async {
        let redis = Redis::connect(real.address, Settings { batches: 8, ..patient() }).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let redis = redis.clone();
            tasks.spawn(async move {
                for round in 0..ROUNDS {
                    let (key, value) = (format!("key{task}"), format!("{task} {round}").repeat(round as usize * 100));
                    let batch = [
                        Command::new("INCR").arg("all"),
                        Command::new("SET").arg(&key).arg(&value),
                        Command::new("GET").arg(&key),
                        Command::new("nonsense"),
                        Command::new("INCR").arg(format!("n{task}")),
                    ];
                    let values = redis.batch(batch).await.expect("answers");
                    assert!(matches!(values[0], Value::Integer(_)) && values[1] == Value::ok());
                    assert_eq!(values[2], Value::Bulk(value.into_bytes()));
                    assert!(matches!(values[3], Value::Error(_)));
                    assert_eq!(values[4], Value::Integer(round + 1));
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no task fails");
        }
        assert_eq!(redis.increment("all", 0).await.expect("an answer"), TASKS * ROUNDS);
        // Four that have eight batches each. One that was not made in a second was given up, and is no longer there.
        assert_eq!(info(&redis, "clients", "connected_clients:").await, "4");
    })
    .expect("a reactor");
}

/// What a server says of itself, in a line of a section that begins so.
async fn info(redis: &Redis, section: &str, line: &str) -> String {
    let info = redis.command(Command::new("INFO").arg(section)).await.expect("an answer");
    let Value::Bulk(info) = info else { panic!("{info:?}") };
    let info = String::from_utf8(info).expect("text");
    info.lines().find_map(|other| other.strip_prefix(line)).expect("such a line").to_owned()
}

/// What tells one run of a server from another.
async fn run_id(redis: &Redis) -> String {
    info(redis, "server", "run_id:").await
}

#[test]
fn a_server_that_is_killed_and_started_again_is_found_again() {
    const TASKS: usize = 8;
    let mut real = RealRedis::start();
    mainspring::run(async {
        let redis = Redis::connect(real.address, Settings { attempts: 100, ..patient() }).await.unwrap();
        let before = run_id(&redis).await;
        let (counts, is_over) = (Rc::new([const { Cell::new(0) }; 3]), Rc::new(Cell::new(false)));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (redis, counts, is_over) = (redis.clone(), counts.clone(), is_over.clone());
            tasks.spawn(async move {
                let [reads, writes, lost] = &*counts;
                while !is_over.get() {
                    redis.get("key").await.expect("what only reads is made again until there is an answer");
                    reads.set(reads.get() + 1);
                    match redis.increment("key", 1).await {
                        Ok(_) => writes.set(writes.get() + 1),
                        Err(Error::Failed(error)) => {
                            println!("lost: {error}");
                            lost.set(lost.get() + 1);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        for _ in 0..3 {
            let reads_before = counts[0].get();
            while counts[0].get() < reads_before + 500 {
                sleep(Duration::from_millis(1)).await;
            }
            // On another thread, so that the client goes on while nobody is there.
            let restarted = mainspring::unblock(move || {
                let address = real.kill();
                RealRedis::start_at(address)
            });
            real = restarted.await.expect("it starts again");
        }
        let (reads_before, start) = (counts[0].get(), Instant::now());
        while counts[0].get() < reads_before + 500 {
            assert!(start.elapsed() < PATIENCE, "no answers after the last start");
            sleep(Duration::from_millis(1)).await;
        }
        is_over.set(true);
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no task fails");
        }
        assert_ne!(run_id(&redis).await, before, "it is another run");
        let [reads, writes, lost] = &*counts;
        println!("{} reads and {} writes, of which {} were lost", reads.get(), writes.get() + lost.get(), lost.get());
        assert!(lost.get() <= 3 * TASKS, "{} writes were lost, more than were in flight", lost.get());
    })
    .expect("a reactor");
}

#[test]
fn a_connection_that_is_made_anew_has_the_same_database() {
    let real = RealRedis::start();
    let port = real.address.port().to_string();
    mainspring::run(async {
        let redis = Redis::connect(real.address, Settings { database: 3, ..patient() }).await.unwrap();
        redis.set("key", "in the third", None).await.expect("it is set");
        let killed = tool("redis-cli", &["-p", &port, "client", "kill", "type", "normal"]);
        assert_eq!(killed.trim(), "1", "connections that were ended");
        assert_eq!(redis.get("key").await.expect("an answer").as_deref(), Some(&b"in the third"[..]));

        let none = Redis::connect(real.address, Settings { database: 99, attempts: 1, ..patient() });
        let error = none.await.unwrap().ping().await.expect_err("there is none").to_string();
        assert!(error.contains("there is no database 99"), "{error}");
    })
    .expect("a reactor");
    assert_eq!(tool("redis-cli", &["-p", &port, "-n", "3", "get", "key"]).trim(), "in the third");
}

#[test]
fn a_batch_is_not_made_again_when_a_part_of_it_may_have_been_done() {
    // Answers the first command of each connection, and closes it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).expect("a batch");
            stream.write_all(b":1\r\n").expect("room");
            if heard.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                return;
            }
        }
    });
    let batch = |name: &str| [Command::new(name).arg("a"), Command::new(name).arg("b")];
    mainspring::run(async {
        let redis = Redis::connect(address, Settings { attempts: 3, ..patient() }).await.unwrap();
        redis.batch(batch("INCR")).await.expect_err("the second has no answer");
        assert_eq!(hears.try_iter().filter(|sent| sent.contains("INCR")).count(), 1, "it was sent once");
        redis.batch(batch("TTL")).await.expect_err("the second has no answer");
        assert_eq!(hears.try_iter().filter(|sent| sent.contains("TTL")).count(), 3, "it was sent thrice");
    })
    .expect("a reactor");
}

#[test]
fn a_batch_is_made_again_when_a_server_that_loads_has_refused_all_of_it_and_not_when_it_has_done_a_part() {
    const LOADING: &[u8] = b"-LOADING Redis is loading the dataset in memory\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let sent = String::from_utf8_lossy(&bytes[..count]).into_owned();
            // It has loaded everything after the first command, or never.
            let second = if sent.contains("INCR") { b":1\r\n" } else { LOADING };
            // Told before the answer, by which the client goes on.
            if heard.send(sent).is_err() {
                return;
            }
            stream.write_all(&[LOADING, second].concat()).expect("room");
        }
    });
    mainspring::run(async {
        let settings = Settings { attempts: 3, connections: 1, ..patient() };
        let redis = Redis::connect(address, settings).await.unwrap();
        for (name, times) in [("INCR", 1), ("DECR", 3)] {
            let values = redis.batch([Command::new(name).arg("a"), Command::new(name).arg("b")]).await;
            assert!(matches!(&values.expect("answers")[0], Value::Error(words) if words.starts_with("LOADING")));
            assert_eq!(hears.try_iter().filter(|sent| sent.contains(name)).count(), times, "{name}");
        }
    })
    .expect("a reactor");
}

#[test]
fn the_program_sends_what_it_is_told() {
    let real = RealRedis::start();
    let server = real.address.to_string();
    let send = |words: &[&str]| {
        let output = example("redis_client").args(["--server", &server, "send"]).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(send(&["set", "greeting", "hello world"]), "OK\n");
    assert_eq!(send(&["get", "greeting"]), "hello world\n");
    assert_eq!(send(&["get", "nothing"]), "(nil)\n");
    assert!(send(&["nonsense"]).starts_with("(error) ERR unknown command"));

    let mut child = example("redis_client")
        .args(["--server", &server, "pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(b"incr n\nincr n\nmget n greeting\n").expect("room");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n2\n2\nhello world\n");
}

#[test]
fn the_ratio_to_redis_benchmark_is_printed() {
    let real = RealRedis::start();
    let arguments = ["bench", "--connections", "4", "--depth", "16", "--requests", "6400"];
    let output = example("redis_client").args(["--server", &real.address.to_string()]).args(arguments).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = String::from_utf8(output.stdout).expect("text");
    println!("{report}");
    for name in ["SET", "GET"] {
        let line = report.lines().find(|line| line.starts_with(name)).expect("a line for each command");
        let ratio = line.rsplit(' ').next().and_then(|ratio| ratio.parse::<f64>().ok()).expect("a ratio");
        assert!(ratio > 0.0, "{line}");
    }
}
