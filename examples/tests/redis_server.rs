//! The redis server among the examples, driven by `redis-cli` and `redis-benchmark`, and beside the real one.
#![forbid(unsafe_code)]
mod util {
    pub(crate) mod program;
    pub(crate) mod redis;
}

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use examples::redis::{Command, Redis, Settings, Value};
use util::program::{PATIENCE, Program};
use util::redis::{RealRedis, tool};

/// For a server that is another process, which may have to wait for its turn.
fn patient() -> Settings {
    Settings { timeout: PATIENCE, ..Settings::default() }
}

/// What `redis-cli` says to `words`.
fn cli(address: SocketAddr, words: &[&str]) -> String {
    let port = address.port().to_string();
    tool("redis-cli", &[&["-p", &port, "--raw"], words].concat()).trim_end().to_owned()
}

#[test]
fn redis_cli_gets_the_answers_that_it_knows() {
    let program = Program::start("redis_server", &[]);
    let table: &[(&[&str], &str)] = &[
        (&["ping"], "PONG"),
        (&["ping", "hello"], "hello"),
        (&["echo", "a b"], "a b"),
        (&["get", "k"], ""),
        (&["set", "k", "v"], "OK"),
        (&["get", "k"], "v"),
        (&["set", "k", "w", "nx"], ""),
        (&["set", "k", "w", "xx", "ex", "10000"], "OK"),
        (&["ttl", "k"], "10000"),
        (&["set", "k", "x", "keepttl"], "OK"),
        (&["ttl", "k"], "10000"),
        (&["persist", "k"], "1"),
        (&["ttl", "k"], "-1"),
        (&["ttl", "nothing"], "-2"),
        (&["expire", "k", "50"], "1"),
        (&["expire", "k", "0"], "1"),
        (&["exists", "k", "k"], "0"),
        (&["set", "k", "v", "ex", "0"], "ERR invalid expire time in 'set' command"),
        (&["set", "k", "v", "ex", "9223372036854775807"], "ERR invalid expire time in 'set' command"),
        (&["set", "k", "v", "nx", "xx"], "ERR syntax error"),
        (&["incr", "n"], "1"),
        (&["incrby", "n", "-11"], "-10"),
        (&["incrby", "n", "9223372036854775807"], "9223372036854775797"),
        (&["incrby", "n", "11"], "ERR increment or decrement would overflow"),
        (&["set", "s", "1.5"], "OK"),
        (&["incr", "s"], "ERR value is not an integer or out of range"),
        (&["mset", "a", "1", "b", "2"], "OK"),
        (&["mget", "a", "nothing", "b"], "1\n\n2"),
        (&["del", "a", "b", "c"], "2"),
        (&["lpush", "l", "1", "2", "3"], "3"),
        (&["lrange", "l", "0", "-1"], "3\n2\n1"),
        (&["lrange", "l", "-2", "100"], "2\n1"),
        (&["lrange", "l", "5", "1"], ""),
        (&["rpop", "l"], "1"),
        (&["get", "l"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (&["type", "l"], "list"),
        (&["get"], "ERR wrong number of arguments for 'get' command"),
        (&["select", "1"], "ERR DB index is out of range"),
        (&["dbsize"], "3"),
        (&["flushall"], "OK"),
        (&["dbsize"], "0"),
        (&["quit"], "OK"),
    ];
    for (words, expected) in table {
        let answer = cli(program.address, words);
        // Of a long time some is over, if the machine is busy.
        let (lives, most) = (answer.parse::<u64>().unwrap_or(0), expected.parse::<u64>().unwrap_or(0));
        let is_about = words[0] == "ttl" && most == 10_000 && (9_900..=most).contains(&lives);
        assert!(is_about || answer == *expected, "{words:?}: {answer:?}, not {expected:?}");
    }
    assert!(cli(program.address, &["nonsense"]).starts_with("ERR unknown command 'nonsense'"));
    assert!(cli(program.address, &["info"]).contains("used_memory:0"), "all that was stored is counted out");
    assert!(program.end("TERM", PATIENCE).success());
}

#[test]
fn redis_benchmark_meets_no_error() {
    for threads in ["1", "2"] {
        let program = Program::start("redis_server", &["--threads", threads]);
        let port = program.address.port().to_string();
        let tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,mset,lrange_100";
        let arguments = ["-p", &port, "-t", tests, "-n", "2000", "-c", "20", "-P", "16", "--csv"];
        let report = tool("redis-benchmark", &arguments);
        let rates: Vec<(&str, f64)> = report
            .lines()
            .filter_map(|line| {
                let mut columns = line.split("\",\"");
                let name = columns.next()?.trim_start_matches('"');
                Some((name, columns.next()?.parse().ok()?))
            })
            .collect();
        println!("{rates:?}");
        assert_eq!(rates.len(), 12, "{report}");
        assert!(rates.iter().all(|(_, rate)| *rate > 0.0) && !report.contains("rror"), "{report}");
        assert_eq!(cli(program.address, &["config", "get", "save"]), "save");
    }
}

/// A command that both servers know and answer alike.
fn draw(random: &mut impl FnMut(usize) -> usize) -> Command {
    let key = format!("k{}", random(6));
    let number = ["0", "1", "-3", "7", "9223372036854775800", "x", "1.0", " 1", "+1", "-0", "007"][random(11)];
    let value = ["5", "-5", "text", "", "\r\n", "9223372036854775806"][random(6)];
    match random(20) {
        0 => Command::new("GET").arg(key),
        1 | 2 => Command::new("SET").arg(key).arg(value),
        3 => Command::new("SET").arg(key).arg(value).arg(["NX", "xx", "KEEPTTL", "what"][random(4)]),
        4 => Command::new("SET").args([&key, value, "EX", "1000"]).arg(["NX", "PX", "XX"][random(3)]),
        5 => Command::new("DEL").arg(key).arg("k0"),
        6 => Command::new("EXISTS").arg(key).arg("k1"),
        7 => Command::new("INCR").arg(key),
        8 => Command::new("DECRBY").arg(key).arg(number),
        9 => Command::new("INCRBY").arg(key).arg(number),
        10 => Command::new("MGET").args([&key, "k2", "k3"]),
        11 => Command::new("MSET").args([&key, value, "k4", value]).args((random(8) == 0).then_some("odd")),
        12 => Command::new("LPUSH").arg(key).arg(value).arg(number),
        13 => Command::new("RPUSH").arg(key).arg(value),
        14 => Command::new(["LPOP", "RPOP"][random(2)]).arg(key),
        15 => Command::new("LRANGE").arg(key).arg(number).arg(["-1", "2", "1", "-2"][random(4)]),
        16 => Command::new(["LLEN", "STRLEN", "TYPE", "PERSIST"][random(4)]).arg(key),
        17 => Command::new("EXPIRE").arg(key).arg(["1000", "-1", "0", "x"][random(4)]),
        18 => Command::new(["PING", "ECHO", "GET", "DBSIZE"][random(4)]),
        _ => Command::new(["PING", "ECHO"][random(2)]).arg(value),
    }
}

#[test]
fn random_commands_are_answered_as_by_the_real_server() {
    let (program, real) = (Program::start("redis_server", &[]), RealRedis::start());
    mainspring::run(async {
        let ours = Redis::connect(program.address, patient()).await.expect("an address");
        let theirs = Redis::connect(real.address, patient()).await.expect("an address");
        let mut refused = 0;
        for seed in 0..60_u64 {
            println!("seed {seed}");
            let mut state = seed;
            let mut random = |bound: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % bound
            };
            let batch: Vec<_> = (0..100).map(|_| draw(&mut random)).collect();
            let answers = ours.batch(batch.clone()).await.expect("answers");
            let expected = theirs.batch(batch.clone()).await.expect("answers");
            for ((command, answer), expected) in batch.iter().zip(answers).zip(expected) {
                refused += usize::from(matches!(answer, Value::Error(_)));
                assert_eq!(answer, expected, "{command:?}");
            }
        }
        assert!(refused > 300, "{refused} of 6,000 were refused");
    })
    .expect("a reactor");
}

#[test]
fn what_is_no_command_is_answered_and_ends_the_connection() {
    let program = Program::start("redis_server", &[]);
    let table = [
        ("PING\r\n*1\r\n$9999999999\r\n*1\r\n$4\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
        ("*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"),
        ("QUIT\r\nPING\r\n", "+OK\r\n"),
        ("*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
    ];
    for (sent, expected) in table {
        let mut stream = TcpStream::connect(program.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(sent.as_bytes()).expect("room");
        let mut answer = Vec::new();
        // What was sent behind the end may turn it into a reset, once the answer has been read.
        let _end = stream.read_to_end(&mut answer);
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{sent:?}");
    }
    assert_eq!(cli(program.address, &["ping"]), "PONG");
}

#[test]
fn memory_and_answers_have_a_bound() {
    let program = Program::start("redis_server", &["--memory", "24"]);
    mainspring::run(async {
        let redis = Redis::connect(program.address, patient()).await.expect("an address");
        let value = vec![b'x'; 8 * 1024 * 1024 - 1024];
        for key in ["a", "b"] {
            redis.set(key, &value, None).await.expect("it fits");
        }
        let refused = |error: examples::redis::Error| error.to_string();
        redis.set("c", &value, None).await.expect("it fits");
        assert!(redis.set("d", &value, None).await.map_err(refused).unwrap_err().contains("OOM command not allowed"));
        redis.set("a", &value, None).await.expect("it takes the place of one as large");
        assert!(redis.get_all(["a", "b", "c"]).await.map_err(refused).unwrap_err().contains("longer than 16777216"));
        assert_eq!(redis.get_all(["a", "b"]).await.expect("it fits").len(), 2);
        assert_eq!(redis.delete(["b"]).await.expect("an answer"), 1);
        redis.set("d", &value, None).await.expect("it fits now");
        // Keys that are over make room, the later ones when their time has come.
        for (ms, key) in [(30, "c"), (60, "d")] {
            let lives = Some(Duration::from_millis(ms));
            redis.set(key, &value, lives).await.expect("it takes the place of one as large");
        }
        let start = Instant::now();
        for key in ["e", "f"] {
            while redis.set(key, &value, None).await.is_err() {
                assert!(start.elapsed() < PATIENCE, "there is no room for {key}");
            }
        }
        assert_eq!(redis.command(Command::new("DBSIZE")).await.expect("an answer"), Value::Integer(3));
    })
    .expect("a reactor");
}

#[test]
fn a_key_that_is_there_counts_once_however_much_is_pushed_to_it() {
    let program = Program::start("redis_server", &["--memory", "1"]);
    mainspring::run(async {
        let redis = Redis::connect(program.address, patient()).await.expect("an address");
        let push = async |name, item: &[u8]| {
            let key = vec![b'k'; 600 * 1024];
            redis.command(Command::new(name).arg(&key).arg(item)).await
        };
        for (count, name) in (1..).zip(["RPUSH", "RPUSH", "LPUSH"]) {
            assert_eq!(push(name, b"x").await.expect("it fits"), Value::Integer(count));
        }
        for name in ["RPUSH", "LPUSH"] {
            let refused = push(name, &[b'x'; 500 * 1024]).await.unwrap_err().to_string();
            assert!(refused.contains("OOM command not allowed"), "{refused}");
        }
        assert_eq!(push("RPUSH", &[b'x'; 400 * 1024]).await.expect("it fits"), Value::Integer(4));
        assert_eq!(redis.delete([vec![b'k'; 600 * 1024]]).await.expect("an answer"), 1);
    })
    .expect("a reactor");
    assert!(cli(program.address, &["info"]).contains("used_memory:0"), "all that was stored is counted out");
}

#[cfg(target_os = "linux")]
#[test]
fn answers_that_nobody_reads_yet_are_not_made() {
    const ANSWERS: usize = 32;
    let program = Program::start("redis_server", &[]);
    let mut stream = TcpStream::connect(program.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let value = vec![b'x'; 8 * 1024 * 1024 - 1024];
    let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len());
    stream.write_all(&[set.as_bytes(), &value, b"\r\n"].concat()).expect("room");
    stream.read_exact(&mut [0; 5]).expect("it is set");
    // They arrive together, and there is room for a small part of one answer on the way.
    stream.write_all("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(ANSWERS).as_bytes()).expect("room");
    let answer = format!("${}\r\n", value.len()).len() + value.len() + 2;
    let read = std::io::copy(&mut stream.take((answer * ANSWERS) as u64), &mut std::io::sink()).expect("answers");
    assert_eq!(read, (answer * ANSWERS) as u64);
    let peak = program.peak_memory();
    println!("{} MiB at most", peak / 1024 / 1024);
    assert!(peak < ANSWERS * answer / 2, "{peak} bytes");
}

#[test]
fn a_key_whose_time_is_over_is_gone() {
    let program = Program::start("redis_server", &[]);
    cli(program.address, &["set", "k", "v", "px", "30"]);
    let start = Instant::now();
    while !cli(program.address, &["get", "k"]).is_empty() {
        assert!(start.elapsed() < PATIENCE, "it is still there");
    }
    assert_eq!(cli(program.address, &["dbsize"]), "0");
}
