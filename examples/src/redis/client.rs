//! A client of a redis server: typed commands, and batches of any.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use mainspring::Client;
use mainspring::net::ToAddresses;
use mainspring::service::Service;

use super::connection::{Careful, Connection};
use super::{Command, Error, Value};

/// Commands in a batch, in items: so that one holds nobody up for long.
const BATCH: usize = 10_000;

/// What a [`Redis`] is made with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The number of the database; 0 by default.
    pub database: u32,
    /// Connections at most, in items; 4 by default. Another one is made when all are full.
    pub connections: usize,
    /// Batches that a connection carries at one time, in items; 64 by default. Commands of several tasks share a write.
    pub batches: usize,
    /// How often a batch is tried that can be made again; 9 by default, which with the waits between them is as long as
    /// a server takes to restart.
    pub attempts: u32,
    /// How long a batch may take with all of that; 10 s by default.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { database: 0, connections: 4, batches: 64, attempts: 9, timeout: Duration::from_secs(10) }
    }
}

/// A client. Clones are the same one.
///
/// ```no_run
/// use examples::redis::{Command, Redis, Settings};
///
/// mainspring::run(async {
///     let redis = Redis::connect("127.0.0.1:6379", Settings::default()).await?;
///     redis.set("greeting", "hello", None).await?;
///     assert_eq!(redis.get("greeting").await?.as_deref(), Some(&b"hello"[..]));
///
///     // One write, one wait.
///     let batch = [Command::new("INCR").arg("n"), Command::new("INCR").arg("n")];
///     let values = redis.batch(batch).await?;
///     assert_eq!(values.len(), 2);
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redis {
    client: Client<Connection, Careful>,
}

impl Redis {
    /// Of the server at `addresses`. The first command connects.
    ///
    /// # Errors
    ///
    /// Those of the lookup, and when no reactor is running on this thread.
    pub async fn connect(addresses: impl ToAddresses, settings: Settings) -> io::Result<Self> {
        let Settings { database, connections, batches, attempts, timeout } = settings;
        let client = Client::builder()
            .classifier(Careful)
            .connections(connections)
            .calls_per_connection(batches)
            .attempts(attempts)
            .timeout(Some(timeout))
            // The pipeline throws away answers that come late.
            .reuse_failed(true)
            .connect(addresses, async move |stream| {
                Connection::open(stream, database, batches.saturating_mul(BATCH)).await
            })
            .await?;
        Ok(Self { client })
    }

    /// The answers to `commands`, in their order, which are sent together. One that the server refuses is a
    /// [`Value::Error`] among the others.
    ///
    /// # Errors
    ///
    /// When there is no answer to one of them. Some may have been carried out; none was if [`Error::TooMany`].
    pub async fn batch(&self, commands: impl Into<Rc<[Command]>>) -> Result<Vec<Value>, Error> {
        let commands = commands.into();
        if commands.len() > BATCH {
            return Err(Error::TooMany(commands.len()));
        }
        Ok(self.client.call(commands).await?)
    }

    /// The answer to `command`.
    ///
    /// # Errors
    ///
    /// When there is none, or the server refuses it, as those of all that follow here.
    pub async fn command(&self, command: Command) -> Result<Value, Error> {
        match self.batch([command]).await?.pop() {
            Some(Value::Error(words)) => Err(Error::Refused(words)),
            value => Ok(value.unwrap_or(Value::Nil)),
        }
    }

    /// `PING`.
    pub async fn ping(&self) -> Result<(), Error> {
        match self.command(Command::new("PING")).await? {
            Value::Simple(word) if word == "PONG" => Ok(()),
            other => Err(Error::Unexpected(other)),
        }
    }

    /// `GET`.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        string(self.command(Command::new("GET").arg(key)).await?)
    }

    /// `SET`, which lasts for as long as `lives`, in whole milliseconds, or for ever.
    pub async fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        lives: Option<Duration>,
    ) -> Result<(), Error> {
        let mut command = Command::new("SET").arg(key).arg(value);
        if let Some(lives) = lives {
            command = command.arg("PX").arg(lives.as_millis().to_string());
        }
        done(self.command(command).await?)
    }

    /// `SET NX`: whether the key was not there, and is now.
    pub async fn set_new(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<bool, Error> {
        match self.command(Command::new("SET").arg(key).arg(value).arg("NX")).await? {
            Value::Nil => Ok(false),
            value => done(value).map(|()| true),
        }
    }

    /// `DEL`: how many of the keys were there.
    pub async fn delete<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<i64, Error> {
        integer(self.command(Command::new("DEL").args(keys)).await?)
    }

    /// `EXISTS`.
    pub async fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        Ok(integer(self.command(Command::new("EXISTS").arg(key)).await?)? > 0)
    }

    /// `INCRBY`: what has become of the number.
    pub async fn increment(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, Error> {
        integer(self.command(Command::new("INCRBY").arg(key).arg(by.to_string())).await?)
    }

    /// `PEXPIRE`, in whole milliseconds: whether the key is there.
    pub async fn expire(&self, key: impl AsRef<[u8]>, after: Duration) -> Result<bool, Error> {
        let command = Command::new("PEXPIRE").arg(key).arg(after.as_millis().to_string());
        Ok(integer(self.command(command).await?)? > 0)
    }

    /// `PTTL`: how long the key still lasts; none if it is not there, or lasts for ever.
    pub async fn lives(&self, key: impl AsRef<[u8]>) -> Result<Option<Duration>, Error> {
        let left = integer(self.command(Command::new("PTTL").arg(key)).await?)?;
        Ok(u64::try_from(left).ok().map(Duration::from_millis))
    }

    /// `MGET`.
    pub async fn get_all<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        strings(self.command(Command::new("MGET").args(keys)).await?)
    }

    /// `LPUSH`: how long the list is then.
    pub async fn push_left(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<i64, Error> {
        integer(self.command(Command::new("LPUSH").arg(key).arg(value)).await?)
    }

    /// `RPOP`.
    pub async fn pop_right(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        string(self.command(Command::new("RPOP").arg(key)).await?)
    }

    /// `LRANGE`, both ends included; what is negative counts from the end.
    pub async fn range(&self, key: impl AsRef<[u8]>, from: i64, to: i64) -> Result<Vec<Vec<u8>>, Error> {
        let command = Command::new("LRANGE").arg(key).arg(from.to_string()).arg(to.to_string());
        Ok(strings(self.command(command).await?)?.into_iter().flatten().collect())
    }
}

fn done(value: Value) -> Result<(), Error> {
    if value == Value::ok() { Ok(()) } else { Err(Error::Unexpected(value)) }
}

fn integer(value: Value) -> Result<i64, Error> {
    match value {
        Value::Integer(number) => Ok(number),
        other => Err(Error::Unexpected(other)),
    }
}

fn string(value: Value) -> Result<Option<Vec<u8>>, Error> {
    match value {
        Value::Bulk(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        other => Err(Error::Unexpected(other)),
    }
}

fn strings(value: Value) -> Result<Vec<Option<Vec<u8>>>, Error> {
    match value {
        Value::Array(values) => values.into_iter().map(string).collect(),
        other => Err(Error::Unexpected(other)),
    }
}
