//! The endpoints of a service, as a stream of changes, for `Client::follow` and for a balancer.
//!
//! A host has the port that it is asked with; a service has those of its SRV records (RFC 2782), with their priorities:
//! the balancer calls those of the lowest one that answers. Both are asked for again when the shortest time to live on
//! the way is over, within bounds.
//!
//! What fails changes nothing: a name server that is down, a name that is gone, a service without an address leave the
//! last endpoints as they are, and so do the addresses of one host of several. Only a server that says "there is
//! decidedly no such service" (the target `.`) empties the set. An endpoint that does not answer is none of this: the
//! balancer avoids it, and here it stays until the records say otherwise.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use mainspring::channel::mpsc;
use mainspring::service::Service;
use mainspring::service::balance::Change;
use mainspring::spawn;
use mainspring::task::{AbortHandle, JoinSet};
use mainspring::time::sleep;

use super::message::{Answer, Code, Question};
use super::name::Name;
use super::record::{Data, Kind, Record};

/// Changes that wait to be taken.
const CHANGES: usize = 64;

/// Names that stand for another one, on the way to what is asked for.
const ALIASES: usize = 8;

/// Targets of a service that are asked for: of more, those that come first.
const TARGETS: usize = 64;

/// The least share, of a record whose weight is zero: "a very small chance".
const WEIGHT_MIN: f64 = 0.1;

/// Whose endpoints.
#[derive(Clone, Debug)]
pub enum Target {
    /// A host, and the port there.
    Host(Name, u16),
    /// A service that SRV records tell of, as `_http._tcp.example.org`.
    Service(Name),
}

/// How often a name is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    /// However short its time to live, and after a failure the first time.
    pub floor: Duration,
    /// However long it is, and after failures at last.
    pub ceiling: Duration,
}

impl Default for Refresh {
    /// Between a second and five minutes.
    fn default() -> Self {
        Self { floor: Duration::from_secs(1), ceiling: Duration::from_secs(300) }
    }
}

/// A set of endpoints: their priorities and shares, by their addresses.
type Set = BTreeMap<SocketAddr, (u16, f64)>;

/// What was found, and how long it holds.
struct Found<T> {
    value: T,
    time_to_live_s: u32,
}

/// The changes of a set of endpoints; the first ones make it. It ends never, and what it does ends when it is dropped.
#[derive(Debug)]
pub struct Changes {
    receiver: mpsc::Receiver<Change<SocketAddr, ()>>,
    task: AbortHandle,
}

impl Changes {
    /// Those of `target`, asked for by a task that is started here, of a service that answers questions.
    pub fn new<S>(dns: S, target: Target, refresh: Refresh) -> Self
    where
        S: Service<Question, Response = Answer, Error = io::Error> + Clone + 'static,
    {
        let (sender, receiver) = mpsc::bounded(CHANGES);
        let resolver = Resolver { dns, target, refresh, set: Set::new(), hosts: HashMap::new() };
        Self { receiver, task: spawn(resolver.run(sender)).abort_handle() }
    }
}

impl Stream for Changes {
    type Item = Change<SocketAddr, ()>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(cx)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The work behind it.
struct Resolver<S> {
    dns: S,
    target: Target,
    refresh: Refresh,
    /// What was said last.
    set: Set,
    /// The last addresses of each host, for when it cannot be asked for.
    hosts: HashMap<Name, Vec<IpAddr>>,
}

impl<S> Resolver<S>
where
    S: Service<Question, Response = Answer, Error = io::Error> + Clone + 'static,
{
    async fn run(mut self, changes: mpsc::Sender<Change<SocketAddr, ()>>) {
        let Refresh { floor, ceiling } = self.refresh;
        let mut retry = floor;
        loop {
            let wait = match self.resolve().await {
                Ok(found) => {
                    for change in differences(&self.set, &found.value) {
                        if changes.send(change).await.is_err() {
                            return;
                        }
                    }
                    self.set = found.value;
                    retry = floor;
                    Duration::from_secs(found.time_to_live_s.into())
                }
                // Less and less often, since all who ask this server see the same.
                Err(_) => {
                    let wait = retry;
                    retry = retry.saturating_mul(2).min(ceiling);
                    wait
                }
            };
            sleep(wait.min(ceiling).max(floor)).await;
        }
    }

    async fn resolve(&mut self) -> io::Result<Found<Set>> {
        match self.target.clone() {
            Target::Host(name, port) => {
                let addresses = self.hosts([name.clone()]).await.remove(&name);
                let addresses = addresses.ok_or_else(|| nothing(&name))?;
                let endpoints = addresses.value.into_iter().map(|address| (SocketAddr::new(address, port), (0, 1.0)));
                Ok(Found { value: endpoints.collect(), time_to_live_s: addresses.time_to_live_s })
            }
            Target::Service(name) => self.service(name).await,
        }
    }

    async fn service(&mut self, name: Name) -> io::Result<Found<Set>> {
        let Found { value: records, mut time_to_live_s } = ask(&self.dns, name.clone(), Kind::SRV).await?;
        let services = records.into_iter().filter_map(|record| match record.data {
            Data::Service { priority, weight, port, target } => Some((priority, target, port, weight)),
            _ => None,
        });
        let mut services: Vec<_> = services.collect();
        services.sort_unstable();
        services.truncate(TARGETS);
        if services.iter().any(|(_, target, ..)| target.is_root()) {
            return Ok(Found { value: Set::new(), time_to_live_s });
        }
        let hosts = self.hosts(services.iter().map(|(_, target, ..)| target.clone())).await;
        let mut set = Set::new();
        for (priority, target, port, weight) in services {
            let Some(found) = hosts.get(&target) else { continue };
            time_to_live_s = time_to_live_s.min(found.time_to_live_s);
            // A host with several addresses has no larger share for that.
            let share = f64::from(weight).max(WEIGHT_MIN) / found.value.len() as f64;
            for address in &found.value {
                // One that is named twice is what it is at best.
                set.entry(SocketAddr::new(*address, port)).or_insert((priority, share));
            }
        }
        if !set.is_empty() {
            return Ok(Found { value: set, time_to_live_s });
        }
        Err(nothing(&name))
    }

    /// The addresses of these hosts that have any, of now or, if they cannot be had, the last ones.
    async fn hosts(&mut self, names: impl IntoIterator<Item = Name>) -> HashMap<Name, Found<Vec<IpAddr>>> {
        let mut asking = JoinSet::new();
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let dns = self.dns.clone();
            let last = self.hosts.get(&name).cloned().unwrap_or_default();
            asking.spawn(async move { (name.clone(), host(&dns, name, last).await) });
        }
        let mut hosts = HashMap::new();
        while let Some(asked) = asking.join_next().await {
            if let Ok((name, Ok(found))) = asked {
                hosts.insert(name, found);
            }
        }
        // What is no target any more is forgotten.
        self.hosts = hosts.iter().map(|(name, found)| (name.clone(), found.value.clone())).collect();
        hosts
    }
}

/// The addresses of a host, of which there is one at least. Those of a version that cannot be had are the `last` ones:
/// some name servers know nothing of the newer one and fail.
async fn host<S>(dns: &S, name: Name, last: Vec<IpAddr>) -> io::Result<Found<Vec<IpAddr>>>
where
    S: Service<Question, Response = Answer, Error = io::Error>,
{
    let mut addresses = Found { value: Vec::new(), time_to_live_s: u32::MAX };
    let mut failed = Vec::new();
    for kind in [Kind::A, Kind::AAAA] {
        let found = match ask(dns, name.clone(), kind).await {
            Ok(found) => found,
            Err(error) => {
                failed.push(error);
                addresses.value.extend(last.iter().filter(|address| address.is_ipv4() == (kind == Kind::A)));
                continue;
            }
        };
        addresses.time_to_live_s = addresses.time_to_live_s.min(found.time_to_live_s);
        addresses.value.extend(found.value.into_iter().filter_map(|record| match record.data {
            Data::V4(address) => Some(IpAddr::V4(address)),
            Data::V6(address) => Some(IpAddr::V6(address)),
            _ => None,
        }));
    }
    if addresses.value.is_empty() {
        return Err(failed.pop().unwrap_or_else(|| nothing(&name)));
    }
    if failed.len() == 2 {
        // So that it is asked for again as soon as may be.
        addresses.time_to_live_s = 0;
    }
    Ok(addresses)
}

/// The records of a type, and for how long they hold; those of what the name stands for, if it does, and none if it has
/// none.
async fn ask<S>(dns: &S, mut name: Name, kind: Kind) -> io::Result<Found<Vec<Record>>>
where
    S: Service<Question, Response = Answer, Error = io::Error>,
{
    let mut time_to_live_s = u32::MAX;
    for _ in 0..ALIASES {
        let answer = dns.call(Question { name: name.clone(), kind }).await?;
        if answer.code != Code::NO_ERROR {
            return Err(io::Error::other(format!("{name} {kind}: {}", answer.code)));
        }
        // As far as this answer leads.
        let asked = name.clone();
        for _ in 0..ALIASES {
            let alias = answer.records.iter().find_map(|record| match &record.data {
                Data::Name(alias) if record.kind == Kind::CNAME && record.name == name => Some((alias, record)),
                _ => None,
            });
            let Some((alias, record)) = alias else { break };
            time_to_live_s = time_to_live_s.min(record.time_to_live_s);
            name = alias.clone();
        }
        let (name, is_here) = (&name, |record: &Record| record.kind == kind && record.name == name);
        let records: Vec<_> = answer.records.iter().filter(|record| is_here(record)).cloned().collect();
        if !records.is_empty() || *name == asked || !answer.authority.is_empty() {
            let times = records.iter().map(|record| record.time_to_live_s);
            // RFC 2308: how long it holds that there is none.
            let negative = answer.authority.iter().filter_map(|record| match record.data {
                Data::Zone { negative_s, .. } if records.is_empty() => Some(negative_s.min(record.time_to_live_s)),
                _ => None,
            });
            let time_to_live_s = times.chain(negative).fold(time_to_live_s, u32::min);
            return Ok(Found { value: records, time_to_live_s });
        }
    }
    Err(io::Error::other(format!("{name} {kind}: more than {ALIASES} names that stand for another one")))
}

fn nothing(name: &Name) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"))
}

/// What makes one set of another, what comes before what goes, so that there is no moment with less than both have.
fn differences(before: &Set, after: &Set) -> Vec<Change<SocketAddr, ()>> {
    let come = after.iter().filter(|(address, share)| before.get(address) != Some(share));
    let come = come.map(|(&key, &(priority, weight))| Change::Insert { key, service: (), weight, priority });
    let gone = before.keys().filter(|address| !after.contains_key(address));
    come.chain(gone.map(|&address| Change::Remove(address))).collect()
}
