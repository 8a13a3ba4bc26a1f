//! Servers beside each other: the same work on each in turns, in processor time and in elapsed time.
//!
//! The commands that compare servers start them with [`start`], say what a turn is, and get a table. Every server runs
//! from the start to the end, on a processor of its own where one is enough, and the client gives each a turn in each
//! round (`interleaved.rs`). Processor time comes first, and is that of all threads of the server, from `schedstat.rs`:
//! it does not count the time when somebody else had the processor. It is nearly all the kernel's; the part of the
//! program is from `/proc/PID/stat`, which samples, so it is a figure of the whole run.
//!
//! The first two are the same server, and what they differ by is what nobody can be said to differ by: a row says in
//! its last column what is beyond that.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use mainspring_sys::{set_thread_processors, thread_processors};

use crate::interleaved::{Contender, Interleaved, Spread};
use crate::peers::{self, Peer};
use crate::report::Report;
use crate::schedstat::Ran;
use crate::server::Server;
use crate::table::Table;

/// Between two looks at whether a server has come to rest, and how many looks that may take: it has connections to
/// close.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOOKS_MAX: usize = 1_000;

/// What one turn came to.
pub(crate) struct Turn {
    pub(crate) operations: usize,
    pub(crate) elapsed: Duration,
    /// Of the server.
    pub(crate) processor: Duration,
}

/// Does some work on a server, which says how many operations it was.
pub(crate) fn turn(server: &Server, work: impl FnOnce() -> io::Result<usize>) -> io::Result<Turn> {
    let process = server.id().to_string();
    let (before, start) = (Ran::of(&process)?, Instant::now());
    let operations = work()?;
    let elapsed = start.elapsed();
    Ok(Turn { operations, elapsed, processor: Ran::of(&process)?.since(before).time })
}

/// Servers that run, with their names.
pub(crate) struct Running {
    servers: Vec<(&'static str, Server)>,
    /// The processors of this thread before, which it goes back to.
    before: Vec<usize>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Why ignored: they were its own.
        let _ = set_thread_processors(&self.before);
    }
}

/// Moves this thread to the processors of clients, and starts the servers on theirs, as taskset(1) names them.
///
/// # Errors
///
/// When a server does not start, and where there are no such processors.
pub(crate) fn start(peers: &[Peer], servers: &str, clients: &[usize]) -> io::Result<Running> {
    peers::build(peers)?;
    let before = thread_processors()?;
    set_thread_processors(clients).map_err(|error| {
        io::Error::new(error.kind(), format!("could not run on the processors {clients:?}, two are needed: {error}"))
    })?;
    let mut running = Running { servers: Vec::new(), before };
    for peer in peers {
        running.servers.push((peer.name, peer.start(servers)?));
    }
    Ok(running)
}

impl Running {
    /// How the tables name them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.servers.iter().map(|(name, _)| *name)
    }

    /// Gives each of them a turn in each round, of which several costs are taken; what a server still has to do then
    /// falls to nobody's turn. The work is told which server it is, as a place among them.
    ///
    /// # Errors
    ///
    /// That of the first turn that fails.
    pub(crate) fn contend<const N: usize>(
        &self,
        rounds: usize,
        work: impl Fn(usize, &Server) -> io::Result<[f64; N]>,
    ) -> io::Result<[Interleaved; N]> {
        let costs = RefCell::new([(); N].map(|()| vec![Vec::new(); self.servers.len()]));
        let turn = |index: usize, server: &Server| {
            let found = work(index, server)?;
            rest(server)?;
            for (costs, cost) in costs.borrow_mut().iter_mut().zip(found) {
                costs[index].push(cost);
            }
            Ok(found[0])
        };
        let turn = &turn;
        let contenders = self.servers.iter().enumerate();
        let mut contenders: Vec<_> =
            contenders.map(|(index, (name, server))| Contender::new(name, move || turn(index, server))).collect();
        Interleaved::run(rounds, &mut contenders)?;
        drop(contenders);
        // The first round is not counted.
        let counted = |costs: Vec<Vec<f64>>| costs.into_iter().map(|turns| turns[1..].to_vec()).collect();
        Ok(costs.into_inner().map(|costs| Interleaved::of(counted(costs))))
    }

    /// The same for what is measured of servers mostly, and their end.
    ///
    /// # Errors
    ///
    /// As [`contend`](Self::contend), and when a server does not end well.
    pub(crate) fn rounds(self, rounds: usize, work: impl Fn(&Server) -> io::Result<Turn>) -> io::Result<Measured> {
        let [processor, elapsed] = self.contend(rounds, |_, server| {
            let turn = work(server)?;
            Ok([turn.processor, turn.elapsed].map(|time| time.as_nanos() as f64 / turn.operations.max(1) as f64))
        })?;
        let own = self.servers.iter().map(|(_, server)| own_part(server.id())).collect::<io::Result<_>>()?;
        let names = self.names().collect();
        self.end()?;
        Ok(Measured { names, processor, elapsed, own })
    }

    /// One of them.
    pub(crate) fn server(&self, place: usize) -> &Server {
        &self.servers[place].1
    }

    /// Ends all of them.
    pub(crate) fn end(mut self) -> io::Result<()> {
        mem::take(&mut self.servers).into_iter().try_for_each(|(_, server)| server.end())
    }
}

/// Waits until a server does nothing any more, so that what it still had to do falls to nobody else's turn.
pub(crate) fn rest(server: &Server) -> io::Result<()> {
    let process = server.id().to_string();
    let mut last = Ran::of(&process)?;
    for _ in 0..LOOKS_MAX {
        thread::sleep(LOOK_EVERY);
        let now = Ran::of(&process)?;
        if now == last {
            return Ok(());
        }
        last = now;
    }
    Ok(())
}

/// What the servers cost, per operation.
pub(crate) struct Measured {
    names: Vec<&'static str>,
    /// Nanoseconds on a processor, and of elapsed time.
    processor: Interleaved,
    elapsed: Interleaved,
    /// What part of the processor time was the program's own.
    own: Vec<f64>,
}

impl Measured {
    /// The table: `what` is an operation, as "request"; `figure` and `at` are its name and place in the report.
    pub(crate) fn table(&self, what: &str, figure: &str, at: &str, report: &mut Report) -> Table {
        let mut table = Table::new([
            "server",
            &format!("processor ns per {what}"),
            "times the first",
            "of them the program's",
            &format!("{what}s per second"),
            "times the first",
            "beyond the pair",
        ]);
        for (index, name) in self.names.iter().enumerate() {
            let (processor, rate) = (self.processor.ratio(index), self.elapsed.rate(index));
            let cost = self.processor.cost(index);
            table.row([
                (*name).to_owned(),
                format!("{:.0}", cost.median),
                processor.to_string(),
                format!("{:.0}", cost.median * self.own[index]),
                format!("{:.0}", 1e9 / self.elapsed.cost(index).median),
                rate.to_string(),
                self.beyond(index),
            ]);
            report.point(&format!("{figure}: processor ns per {what}"), name, at, cost);
            report.point(&format!("{figure}: processor time, times ours"), name, at, processor);
            report.point(&format!("{figure}: {what}s per second, times ours"), name, at, rate);
        }
        table
    }

    /// What `name` does in the same time, beside `other`: its requests per second, and those that a processor is worth.
    pub(crate) fn rates_beside(&self, name: &str, other: &str) -> Option<[Spread; 2]> {
        let place = |name| self.names.iter().position(|known| *known == name);
        let (name, other) = (place(name)?, place(other)?);
        Some([&self.elapsed, &self.processor].map(|costs| costs.rate_beside(name, other)))
    }

    /// What cannot be noise, since the pair of the same server differs by less.
    fn beyond(&self, index: usize) -> String {
        if index < 2 {
            return String::new();
        }
        let processor = self.processor.beyond_the_pair(index);
        let rate = self.elapsed.beyond_the_pair(index);
        let mut found = Vec::new();
        found.extend(processor.map(|costs_more| if costs_more { "more processor" } else { "less processor" }));
        found.extend(rate.map(|costs_more| if costs_more { "slower" } else { "faster" }));
        found.join(", ")
    }
}

/// The part of the processor time so far that was not the kernel's, from 0 to 1.
fn own_part(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Field 2 is a name in parentheses, and may hold anything. Of the rest the first is field 3; 14 and 15 are the
    // clock ticks of the program and of the kernel, proc_pid_stat(5).
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = |place| rest.split_whitespace().nth(place).and_then(|word: &str| word.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(own), Some(kernel)) => Ok(own / (own + kernel).max(1.0)),
        _ => Err(io::Error::other(format!("no times in {stat:?}"))),
    }
}
