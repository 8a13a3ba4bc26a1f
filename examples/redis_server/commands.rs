//! What each command does, in the words of redis.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use examples::redis::{Reply, Value, limits};

use super::store::{Data, Full, Store};

/// How far from now a key may be over, in milliseconds: a century, so that no sum overflows.
const FOREVER: u64 = 100 * 365 * 24 * 3600 * 1000;

/// Why a command was refused.
type Refusal = String;

/// Carries out the command in `words`, the first of which is its name.
pub(crate) fn execute(store: &mut Store, mut words: Vec<Vec<u8>>, now: Instant) -> Reply {
    let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    if name == b"QUIT" {
        return Reply::Last(Value::ok());
    }
    Reply::Value(answer(store, &name, &mut words, now).unwrap_or_else(Value::Error))
}

fn answer(store: &mut Store, name: &[u8], words: &mut Vec<Vec<u8>>, now: Instant) -> Result<Value, Refusal> {
    let is_right = match (name, words.len()) {
        (b"DBSIZE", count) => count == 1,
        (b"PING", count) => count <= 2,
        (b"ECHO" | b"GET" | b"INCR" | b"DECR" | b"LLEN" | b"PERSIST" | b"PTTL" | b"STRLEN" | b"TTL", count) => {
            count == 2
        }
        (b"SELECT" | b"TYPE", count) => count == 2,
        (b"DECRBY" | b"EXPIRE" | b"INCRBY" | b"PEXPIRE", count) => count == 3,
        (b"LRANGE", count) => count == 4,
        (b"DEL" | b"EXISTS" | b"LPOP" | b"MGET" | b"RPOP" | b"UNLINK", count) => count >= 2,
        (b"LPUSH" | b"RPUSH" | b"SET", count) => count >= 3,
        (b"MSET", count) => count >= 3 && count % 2 == 1,
        _ => true,
    };
    if !is_right {
        let name = String::from_utf8_lossy(name).to_lowercase();
        return Err(format!("ERR wrong number of arguments for '{name}' command"));
    }
    Ok(match name {
        b"PING" => words.pop().filter(|_| !words.is_empty()).map_or_else(|| Value::Simple("PONG".into()), Value::Bulk),
        b"ECHO" => Value::Bulk(words.swap_remove(1)),
        b"GET" => string(store, &words[1], now)?.map_or(Value::Nil, |bytes| Value::Bulk(bytes.to_vec())),
        b"STRLEN" => Value::Integer(string(store, &words[1], now)?.map_or(0, |bytes| bytes.len() as i64)),
        b"SET" => return set(store, words, now),
        b"MGET" => {
            let mut answer = Answer::default();
            for key in &words[1..] {
                // What is no string is as good as nothing here.
                match store.get(key, now) {
                    Some(Data::String(bytes)) => answer.push(bytes)?,
                    _ => answer.values.push(Value::Nil),
                }
            }
            Value::Array(answer.values)
        }
        b"MSET" => {
            for pair in words[1..].chunks_exact_mut(2) {
                let (key, value) = (std::mem::take(&mut pair[0]), std::mem::take(&mut pair[1]));
                store.set(key, value, None, now).map_err(full)?;
            }
            Value::ok()
        }
        b"DEL" | b"UNLINK" => count(&words[1..], |key| store.remove(key, now)),
        b"EXISTS" => count(&words[1..], |key| store.get(key, now).is_some()),
        b"INCR" => add(store, words, 1, now)?,
        b"DECR" => add(store, words, -1, now)?,
        b"INCRBY" => {
            let by = integer(&words[2])?;
            add(store, words, by, now)?
        }
        b"DECRBY" => {
            let by = integer(&words[2])?.checked_neg();
            add(store, words, by.ok_or("ERR decrement would overflow")?, now)?
        }
        b"EXPIRE" => expire(store, words, 1000, now)?,
        b"PEXPIRE" => expire(store, words, 1, now)?,
        b"PERSIST" => {
            let ends = store.ends(&words[1], now).flatten().is_some();
            Value::Integer(i64::from(ends && store.set_end(&words[1], None, now)))
        }
        b"TTL" => lives(store, &words[1], 1000, now),
        b"PTTL" => lives(store, &words[1], 1, now),
        b"TYPE" => Value::Simple(store.get(&words[1], now).map_or("none", Data::kind).into()),
        b"LPUSH" | b"RPUSH" => {
            list(store, &words[1], now)?;
            let items = words.split_off(2);
            let length = store.push(words.swap_remove(1), items, name == b"LPUSH", now).map_err(full)?;
            Value::Integer(length as i64)
        }
        b"LPOP" | b"RPOP" => {
            list(store, &words[1], now)?;
            if words.len() > 2 {
                return Err("ERR a count is not implemented".into());
            }
            store.pop(&words[1], name == b"LPOP", now).map_or(Value::Nil, Value::Bulk)
        }
        b"LLEN" => Value::Integer(list(store, &words[1], now)?.map_or(0, |list| list.len() as i64)),
        b"LRANGE" => {
            let (from, to) = (integer(&words[2])?, integer(&words[3])?);
            let Some(list) = list(store, &words[1], now)? else { return Ok(Value::Array(Vec::new())) };
            let place = |end: i64| if end < 0 { end.saturating_add(list.len() as i64) } else { end };
            let from = usize::try_from(place(from)).unwrap_or(0).min(list.len());
            let to = usize::try_from(place(to).saturating_add(1)).unwrap_or(0).clamp(from, list.len().max(from));
            let mut answer = Answer::default();
            list.range(from..to).try_for_each(|item| answer.push(item))?;
            Value::Array(answer.values)
        }
        b"DBSIZE" => Value::Integer(store.len(now) as i64),
        b"FLUSHALL" | b"FLUSHDB" => {
            store.clear();
            Value::ok()
        }
        b"SELECT" if words[1] == b"0" => Value::ok(),
        b"SELECT" => return Err("ERR DB index is out of range".into()),
        b"INFO" => {
            let keys = store.len(now);
            let used = store.used();
            Value::Bulk(format!("# Server\r\nredis_mode:standalone\r\n# Memory\r\nused_memory:{used}\r\n# Keyspace\r\ndb0:keys={keys}\r\n").into())
        }
        // What tools ask before they begin; none of it is known here, and none of it is needed.
        b"COMMAND" | b"CONFIG" | b"CLIENT" => return about(name, words),
        _ => {
            let name = String::from_utf8_lossy(&words[0]).chars().take(128).collect::<String>();
            return Err(format!("ERR unknown command '{name}'"));
        }
    })
}

/// What a string of an answer takes in memory beside its bytes, which is more than its head on the wire: many short
/// ones are bounded too.
const ITEM: usize = 64;

/// Strings that an answer has many of: at most as long as a frame may be, since a short command can ask for all that is
/// stored.
#[derive(Default)]
struct Answer {
    values: Vec<Value>,
    length: usize,
}

impl Answer {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.length += ITEM + bytes.len();
        if self.length > limits::FRAME {
            return Err(format!("ERR the answer is longer than {} bytes", limits::FRAME));
        }
        self.values.push(Value::Bulk(bytes.to_vec()));
        Ok(())
    }
}

impl Data {
    const fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
        }
    }
}

/// How `SET` is to be done.
#[derive(Default)]
struct Manner {
    lives: Option<Duration>,
    /// Whether the key must be there already, or must not.
    is_there: Option<bool>,
    keeps_end: bool,
}

fn set(store: &mut Store, words: &mut [Vec<u8>], now: Instant) -> Result<Value, Refusal> {
    let mut manner = Manner::default();
    let mut rest = words[3..].iter();
    while let Some(word) = rest.next() {
        let syntax = || Refusal::from("ERR syntax error");
        match (&*word.to_ascii_uppercase(), manner.lives.is_none() && !manner.keeps_end) {
            (b"NX", _) if manner.is_there.is_none() => manner.is_there = Some(false),
            (b"XX", _) if manner.is_there.is_none() => manner.is_there = Some(true),
            (b"KEEPTTL", true) => manner.keeps_end = true,
            (unit @ (b"EX" | b"PX"), true) => {
                let number = integer(rest.next().ok_or_else(syntax)?)?;
                let lives = span(number, if unit == b"EX" { 1000 } else { 1 }).filter(|_| number > 0);
                manner.lives = Some(lives.ok_or("ERR invalid expire time in 'set' command")?);
            }
            _ => return Err(syntax()),
        }
    }
    let (value, key) = (std::mem::take(&mut words[2]), std::mem::take(&mut words[1]));
    let before = store.ends(&key, now);
    if manner.is_there.is_some_and(|is_there| is_there != before.is_some()) {
        return Ok(Value::Nil);
    }
    let ends = manner.lives.map(|lives| now + lives).or_else(|| before.flatten().filter(|_| manner.keeps_end));
    store.set(key, value, ends, now).map_err(full)?;
    Ok(Value::ok())
}

fn add(store: &mut Store, words: &mut [Vec<u8>], by: i64, now: Instant) -> Result<Value, Refusal> {
    let number = match string(store, &words[1], now)? {
        Some(digits) => integer(digits)?,
        None => 0,
    };
    let sum = number.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
    let ends = store.ends(&words[1], now).flatten();
    store.set(std::mem::take(&mut words[1]), sum.to_string().into(), ends, now).map_err(full)?;
    Ok(Value::Integer(sum))
}

fn expire(store: &mut Store, words: &[Vec<u8>], scale: u64, now: Instant) -> Result<Value, Refusal> {
    let number = integer(&words[2])?;
    if number <= 0 {
        return Ok(Value::Integer(i64::from(store.remove(&words[1], now))));
    }
    let lives = span(number, scale).ok_or("ERR invalid expire time in 'expire' command")?;
    Ok(Value::Integer(i64::from(store.set_end(&words[1], Some(now + lives), now))))
}

/// How long a key lasts, in units of so many milliseconds; -1 for ever, -2 if there is none.
fn lives(store: &mut Store, key: &[u8], scale: u128, now: Instant) -> Value {
    Value::Integer(match store.ends(key, now) {
        None => -2,
        Some(None) => -1,
        Some(Some(ends)) => (((ends - now).as_millis() + scale / 2) / scale) as i64,
    })
}

/// So many times `scale` milliseconds, if that is an end at all.
fn span(number: i64, scale: u64) -> Option<Duration> {
    let milliseconds = u64::try_from(number).ok()?.checked_mul(scale)?;
    (milliseconds <= FOREVER).then(|| Duration::from_millis(milliseconds))
}

fn about(name: &[u8], words: &[Vec<u8>]) -> Result<Value, Refusal> {
    let about = words.get(1).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    Ok(match (name, &*about) {
        (b"COMMAND", b"COUNT") => Value::Integer(0),
        (b"COMMAND", _) => Value::Array(Vec::new()),
        // A name and its value: nothing is saved, and whatever else there is has none.
        (b"CONFIG", b"GET") => {
            let name = words.get(2).cloned().unwrap_or_default();
            let value = if name.eq_ignore_ascii_case(b"appendonly") { "no" } else { "" };
            Value::Array(vec![Value::Bulk(name), Value::Bulk(value.into())])
        }
        (b"CLIENT", b"SETNAME" | b"SETINFO") => Value::ok(),
        _ => return Err("ERR unknown subcommand".into()),
    })
}

fn count(keys: &[Vec<u8>], mut is_one: impl FnMut(&[u8]) -> bool) -> Value {
    Value::Integer(keys.iter().filter(|key| is_one(key)).count() as i64)
}

fn string<'a>(store: &'a mut Store, key: &[u8], now: Instant) -> Result<Option<&'a [u8]>, Refusal> {
    match store.get(key, now) {
        Some(Data::String(bytes)) => Ok(Some(bytes)),
        Some(_) => Err(wrong_type()),
        None => Ok(None),
    }
}

fn list<'a>(store: &'a mut Store, key: &[u8], now: Instant) -> Result<Option<&'a VecDeque<Vec<u8>>>, Refusal> {
    match store.get(key, now) {
        Some(Data::List(list)) => Ok(Some(list)),
        Some(_) => Err(wrong_type()),
        None => Ok(None),
    }
}

/// A number as redis writes it itself: no plus, no leading zeros.
fn integer(digits: &[u8]) -> Result<i64, Refusal> {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| "ERR value is not an integer or out of range".into())
}

fn wrong_type() -> Refusal {
    "WRONGTYPE Operation against a key holding the wrong kind of value".into()
}

fn full(Full: Full) -> Refusal {
    "OOM command not allowed when used memory > 'maxmemory'.".into()
}
