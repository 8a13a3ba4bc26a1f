//! A Finagle-inspired network application framework on its own epoll and kqueue reactor.
//!
//! Every operation on a source (socket, timer, channel) is a try: it returns a value, or it says "not yet", and saying
//! so has recorded that the running task waits for exactly that direction of exactly that source. Nothing is registered
//! by hand, nothing is armed again, no callback is passed. The same mechanism carries four styles, and all of them mix
//! on one socket:
//!
//! | style | looks like | "not yet" is |
//! |---|---|---|
//! | tick, as announced in 2016 | [`tick::Task`], `listener.try_accept()?` | `None` |
//! | async | `listener.accept().await` | a pending future |
//! | std I/O | [`ready`]`(|| reader.fill_buf()...)`, [`io`] | `ErrorKind::WouldBlock` |
//! | deadlines on the source | `stream.set_read_timeout(...)` | `ErrorKind::TimedOut`, once |
//!
//! ```
//! use mainspring::net::{TcpListener, TcpStream};
//!
//! mainspring::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     mainspring::spawn(async move {
//!         while let Ok((stream, _peer)) = listener.accept().await {
//!             mainspring::spawn(async move {
//!                 let mut buffer = [0; 1024];
//!                 while let Ok(count @ 1..) = stream.read(&mut buffer).await {
//!                     if stream.write_all(&buffer[..count]).await.is_err() {
//!                         break;
//!                     }
//!                 }
//!             });
//!         }
//!     });
//!
//!     let client = TcpStream::connect(address).await?;
//!     client.write_all(b"hello").await?;
//!     let mut answer = [0; 5];
//!     assert_eq!(client.read(&mut answer).await?, 5);
//!     std::io::Result::Ok(())
//! })??;
//! # std::io::Result::Ok(())
//! ```
//!
//! The [`guide`] goes on from here: [services](guide::services), [protocols](guide::protocols), [testing in virtual
//! time](mod@guide::testing), [all processors](guide::cores), [an orderly end](guide::stopping), [limits and their
//! defaults](guide::limits), [how it works inside](guide::inside). Whoever comes from tokio, smol, mio, Finagle or
//! tower finds [what to write instead](guide::coming_from).
//!
//! # In a program of plain threads
//!
//! A synchronous program keeps its threads, and has reactors beside them for its connections: [`Workers`] starts and
//! ends them, a [`Handle`] sends them closures from any thread, and [`Handle::call`] waits for the output as for that
//! of a function. What a call makes on the reactor stays there, until a later call asks for it.
//!
//! ```
//! use mainspring::{Workers, channel::mpsc};
//! use std::{thread, time::Duration};
//!
//! let workers = Workers::builder().threads(2).start(|worker| async move {
//!     Ok(worker.stopping().cancelled().await)
//! })?;
//!
//! // A task that outlives the call which has started it, and a channel to it that any thread may use.
//! let (lines, mut received) = mpsc::bounded::<String>(16);
//! workers.handles()[0].call(|| async move {
//!     mainspring::spawn(async move {
//!         while let Some(line) = received.recv().await {
//!             println!("{line}"); // or to a connection
//!         }
//!     });
//! })?;
//!
//! // Any number of threads; each waits for its own call alone.
//! thread::scope(|scope| {
//!     for (number, handle) in workers.handles().iter().enumerate() {
//!         let lines = lines.clone();
//!         scope.spawn(move || handle.call(move || async move { lines.send(format!("thread {number}")).await }));
//!     }
//! });
//! workers.shutdown(Duration::from_secs(1));
//! # std::io::Result::Ok(())
//! ```
//!
//! # Layers
//!
//! ```text
//!  server  client                      accept loop and drain; pool
//!  proto                               pipelined and multiplexed dispatch
//!  service  codec                      Service, filters; framing
//!  workers  task                       a reactor on each of N threads; sets of tasks
//!  net  time  channel  sync  io  ..    what a task can wait for
//!  reactor  core  tick  waker          the loop, tasks, implicit interest
//!  mainspring-sys                      the operating system
//! ```
//!
//! A row uses those below it. The core alone also holds what is kept for the row above it: host names that were looked
//! up, children that are waited for. Only `mainspring-sys` names the operating system, and in this crate `unsafe`
//! stands in two files, `waker.rs` and `pin.rs`.
//!
//! # What it is not
//!
//! No Windows, no file I/O, no work stealing, no io_uring. A reactor belongs to one thread; N threads have N of them
//! ([`Workers`], [`Server::run`]). 64-bit targets only. [`compared`] has a row for each thing that other runtimes have.
//!
//! # Features
//!
//! One is on by default:
//!
//! * `service`: the layers above the runtime, which are [`service`], [`client`], [`server`], [`proto`] and [`codec`],
//!   and the [`guide`]. If you need the runtime alone, set `default-features = false`: the build is shorter.
//!
//! The others are not:
//!
//! * `tracing`: each poll of a task is a span of the [`tracing`](https://docs.rs/tracing) crate with the task's name,
//!   and what happens to a reactor (it runs and stops, a task has panicked, accepting pauses, a thread for blocking
//!   work was started, a poll was the longest so far) is an event; all with the target `mainspring`.
//! * `hyper`: the traits of the `rt` module of [`hyper`](https://docs.rs/hyper) 1, in the module of that name: HTTP/1
//!   and HTTP/2 on a reactor.
//! * `futures-io`: `AsyncRead` and `AsyncWrite` of [`futures-io`](https://docs.rs/futures-io), for
//!   [`io::Pollable`].
//! * `tower-service`: adapters to and from the [`tower-service`](https://docs.rs/tower-service) crate's trait, in
//!   `service::tower`. It brings `service` with it.
#![deny(unsafe_code)]
// Some of what the runtime offers, the layers above it alone use.
#![cfg_attr(not(feature = "service"), allow(dead_code, unused_imports, rustdoc::broken_intra_doc_links))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod attempted;
mod buffers;
mod builder;
pub mod channel;
#[cfg(feature = "service")]
pub mod client;
#[cfg(feature = "service")]
pub mod codec;
#[cfg(feature = "service")]
pub mod compared;
mod contain;
mod core;
mod crowd;
mod deadline;
mod direction;
mod due;
mod forked;
#[cfg(feature = "service")]
pub mod guide;
mod handle;
#[cfg(feature = "hyper")]
pub mod hyper;
mod inside;
pub mod io;
mod join_error;
mod join_handle;
#[cfg(feature = "service")]
mod latch;
mod locks;
mod longest_poll;
mod lookup;
mod names;
pub mod net;
mod pace;
mod panics;
mod parked;
mod pin;
pub mod process;
#[cfg(feature = "service")]
pub mod proto;
#[cfg(feature = "service")]
mod random;
mod reactor;
mod ready;
mod remote;
mod remote_task;
mod retry;
mod scope;
mod sentence;
#[cfg(feature = "service")]
pub mod server;
#[cfg(feature = "service")]
pub mod service;
pub mod signal;
mod source;
mod spawn;
mod stats;
pub mod sync;
mod table;
pub mod task;
pub mod testing;
pub mod tick;
pub mod time;
mod timer;
mod trace;
mod unblock;
mod waits;
mod wake;
mod waker;
mod wheel;
mod work;
pub mod workers;

pub use builder::Builder;
#[cfg(feature = "service")]
pub use client::Client;
pub use handle::Handle;
pub use join_error::JoinError;
pub use join_handle::{JoinHandle, RemoteJoinHandle};
pub use longest_poll::LongestPoll;
pub use panics::{OnPanic, TaskPanic};
pub use reactor::Reactor;
pub use ready::{Ready, ready, ready_if};
#[cfg(feature = "service")]
pub use server::Server;
pub use spawn::{YieldNow, spawn, yield_now};
pub use stats::Stats;
pub use unblock::unblock;
pub use workers::Workers;

/// Makes a reactor on this thread and runs `future` on it.
///
/// # Errors
///
/// When the reactor cannot be made or fails, or one is running on this thread already.
///
/// # Panics
///
/// With the panic of `future` itself.
///
/// ```
/// assert_eq!(mainspring::run(async { 6 * 7 })?, 42);
/// # std::io::Result::Ok(())
/// ```
pub fn run<F: Future>(future: F) -> std::io::Result<F::Output> {
    Reactor::new()?.block_on(future)
}

/// The examples of the README are tests.
#[cfg(all(doctest, feature = "service"))]
#[doc = include_str!("../README.md")]
struct Readme;
