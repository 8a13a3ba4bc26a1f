//! What other runtimes have, and where it is here.
//!
//! For whoever comes from tokio, smol or monoio: a row for each thing that they have and that programs on a network
//! use. "Not here" has its reason beside it. Every name is a link, which the documentation build checks; that the
//! crates named here work as they are, between tasks and between reactors, is shown by the tests of `examples/interop`.
//!
//! # Running tasks
//!
//! | wanted | here |
//! |---|---|
//! | a runtime on this thread | [`run`](crate::run), [`Reactor`](crate::Reactor) |
//! | a runtime on each core | [`Workers`](crate::Workers); of a server [`ServerBuilder::threads`](crate::server::ServerBuilder::threads) |
//! | work stealing | not here: a task stays on its thread, needs no `Send`, no lock and no atomic operation. Connections are shared out when they are accepted, work by [`Handle::spawn`](crate::Handle::spawn) |
//! | `spawn`, of futures that are not `Send` | [`spawn`](fn@crate::spawn): there is no other |
//! | `spawn` on another thread's runtime | [`Handle::spawn`](crate::Handle::spawn) |
//! | `block_on` | [`Reactor::block_on`](crate::Reactor::block_on); for a plain thread [`Handle::call`](crate::Handle::call) |
//! | `spawn_blocking` | [`unblock`](fn@crate::unblock) |
//! | `block_in_place` | not here: it would block every task of the reactor; [`unblock`](fn@crate::unblock) |
//! | join, abort, detach | await the [`JoinHandle`](crate::JoinHandle), [`abort`](crate::JoinHandle::abort), drop it |
//! | `JoinSet`, `TaskTracker`, `CancellationToken` | [`JoinSet`](crate::task::JoinSet), [`Tracker`](crate::task::Tracker), [`CancellationToken`](crate::task::CancellationToken) |
//! | task-local values | [`task::Local`](crate::task::Local) |
//! | a panic of a task | goes to its handle, and to the hook of [`Builder::on_panic`](crate::Builder::on_panic), which may stop the reactor |
//! | a budget for each poll, `yield_now` | 128 operations; [`yield_now`](crate::yield_now) |
//! | `select!`, `join!`, `FuturesUnordered` | crate `futures`, or `futures-lite` |
//! | an orderly end | [`Tracker::shutdown`](crate::task::Tracker::shutdown); for servers [`Serving::drain`](crate::server::Serving::drain) |
//! | `JoinHandle`s of threads, scopes | those of `std` |
//!
//! # What is waited for
//!
//! | wanted | here |
//! |---|---|
//! | TCP, UDP, Unix sockets | [`net`](crate::net) |
//! | `TcpSocket`: a local address, options before connecting | [`TcpStream::options`](crate::net::TcpStream::options), for a client [`ClientBuilder::connect_options`](crate::client::ClientBuilder::connect_options); other options by `socket2::SockRef` once it is connected |
//! | pipes | [`net::pipe`](crate::net::pipe()); a named one is opened by `std` and given to [`Source`](crate::net::Source) |
//! | any descriptor, as `AsyncFd` and `Async<T>` | [`Source`](crate::net::Source) |
//! | vectored reads and writes, batches of datagrams | [`TcpStream::read_vectored`](crate::net::TcpStream::read_vectored), [`UdpSocket`](crate::net::UdpSocket) |
//! | host names, off the thread | [`TcpStream::connect`](crate::net::TcpStream::connect), by Happy Eyeballs; kept for a while ([`Builder::names`](crate::Builder::names)) |
//! | signals | [`signal`](crate::signal), any that a program may handle, on any number of reactors |
//! | child processes | [`process`](crate::process), which waits without a thread |
//! | files | not here: no selector can wait for them, and every runtime reads them on a thread; `unblock(|| std::fs::read(...))` |
//! | io_uring | not here: buffers that the kernel owns do not go with `&mut [u8]` |
//! | `AsyncRead`, `AsyncWrite` | `std::io::Read` and `Write`, inside [`ready`](crate::ready) |
//! | `sleep`, `timeout`, `interval` with missed ticks | [`time`](crate::time), to 33 µs and never early |
//! | a deadline for each read and write | [`TcpStream::set_read_timeout`](crate::net::TcpStream::set_read_timeout) |
//!
//! # Reading and writing
//!
//! | wanted | here |
//! |---|---|
//! | `read_exact`, `write_all`, `read_to_end`, `copy` | [`io`](crate::io), which keep their place |
//! | `BufReader`, `BufWriter`, `lines` | those of `std`, with [`io::read_line`](crate::io::read_line()), [`io::lines`](crate::io::lines()) |
//! | `split`, owned halves | [`io::split`](crate::io::split()); all methods take `&self`, so an `Rc` of the stream does too |
//! | `copy_bidirectional`, with sizes | [`io::copy_bidirectional`](crate::io::copy_bidirectional()), which holds no buffer while idle; in the kernel [`net::splice_bidirectional`](crate::net::splice_bidirectional()) |
//! | a read that holds no buffer while it waits | [`io::read_pooled`](crate::io::read_pooled()) |
//! | `Framed`, codecs | [`codec`](crate::codec): [`Lines`](crate::codec::Lines), [`Delimited`](crate::codec::Delimited), [`LengthDelimited`](crate::codec::LengthDelimited), [`Fixed`](crate::codec::Fixed), or one's own |
//! | TLS | a state machine over std's `Read` and `Write`, as `rustls` is, inside [`ready`](crate::ready) |
//! | I/O traits that are polled, for libraries | [`io::Pollable`](crate::io::Pollable) over anything of std's; the traits of hyper and of futures-io by features |
//!
//! # Between tasks
//!
//! | wanted | here |
//! |---|---|
//! | `mpsc`, `oneshot`, on any threads | [`channel`](crate::channel) |
//! | the same on one thread, without a lock | [`channel::local`](crate::channel::local) |
//! | `Notify`, `Semaphore` | [`sync`](crate::sync), within one reactor; between threads tokio's feature `sync` alone |
//! | `watch`, `broadcast` | tokio's feature `sync` alone, which needs no runtime |
//! | several receivers | crate `async-channel` |
//! | `Mutex`, `RwLock`, `Barrier`, `OnceCell` | crate `async-lock`; within one reactor a `RefCell` that is not borrowed over an `await` |
//! | a condition of one's own | crate `event-listener` |
//!
//! # Services
//!
//! | wanted | here |
//! |---|---|
//! | `Service`, `Layer`, as tower has them | [`service`](crate::service): no `poll_ready`, and no `Send` |
//! | `ServiceBuilder` | [`ServiceBuilder`](crate::service::ServiceBuilder), read from the outside in as well; a layer is a [`Filter`](crate::service::Filter) |
//! | `timeout`, `limit`, `load_shed`, `retry` with a budget, `hedge` | [`Timeout`](crate::service::Timeout), [`ConcurrencyLimit`](crate::service::ConcurrencyLimit), [`RateLimit`](crate::service::RateLimit), [`LoadShed`](crate::service::LoadShed), [`Retry`](crate::service::Retry), [`Hedge`](crate::service::Hedge) |
//! | `balance`, `discover`, `load` | [`service::balance`](crate::service::balance): endpoints are avoided by their status, and go by the resolver alone |
//! | `steer` | [`Router`](crate::service::Router) |
//! | `buffer`, `spawn_ready`, `ready_cache` | not here: they exist for `poll_ready`; a service is called through `&self`, and shared by an `Rc` |
//! | `reconnect` | [`Client`](crate::Client); [`FailFast`](crate::service::FailFast) around what connects |
//! | `failureAccrual`, deadlines, statistics, as Finagle has them | [`FailureAccrual`](crate::service::FailureAccrual), [`Deadline`](crate::service::Deadline), [`Statistics`](crate::service::Statistics) |
//! | services of tower | the feature `tower-service`, both ways |
//! | an accept loop that survives, limits, a drain | [`Server`](crate::Server) |
//! | a server or a client over Unix sockets | the same, by [`ServerBuilder::bind_unix`](crate::server::ServerBuilder::bind_unix) and [`ClientBuilder::connect_unix`](crate::client::ClientBuilder::connect_unix); a handler of both kinds is generic over [`StreamSocket`](crate::net::StreamSocket) |
//! | a pool of connections, as `deadpool`, `bb8` and hyper's client have it | [`Client`](crate::Client), for any protocol; over all addresses of a name, with timeouts and retries |
//! | pipelined requests, both sides | [`proto::pipeline`](crate::proto::pipeline) |
//! | multiplexed requests, both sides | [`proto::multiplex`](crate::proto::multiplex) |
//!
//! # Looking inside
//!
//! | wanted | here |
//! |---|---|
//! | metrics, without an unstable flag | [`Stats`](crate::Stats), [`LongestPoll`](crate::LongestPoll); `examples/top.rs` draws them |
//! | hooks around polls, `tracing` | the feature `tracing` |
//! | virtual time in tests | [`testing`](crate::testing), by itself or by hand |
//! | `console`, task dumps | not here; the names of the tasks that did not end, by [`Tracker::shutdown`](crate::task::Tracker::shutdown) and [`testing`](crate::testing) |
//!
//! # Systems
//!
//! Linux; the BSDs and Apple's are type-checked, and tested over a stand-in. No Windows: its sockets tell of completion
//! and not of readiness.
