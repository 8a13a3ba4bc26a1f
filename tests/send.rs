//! What may leave its thread and what may not: a row for each public type that is more than a plain value.
//!
//! A type that became `Send` by a change of its fields would let a socket go where its reactor is not; one that is not
//! any more breaks whoever sends it.
#![cfg(feature = "service")]
use std::marker::PhantomData;
use std::rc::Rc;

use mainspring::channel::{local, mpsc, oneshot};
use mainspring::codec::{Framed, Lines};
use mainspring::net::*;
use mainspring::process::Child;
use mainspring::proto::{multiplex, pipeline};
use mainspring::server::{Connection, Draining, Server, ServerBuilder, Serving};
use mainspring::service::BoxService;
use mainspring::signal::{self, Signal};
use mainspring::sync::{Acquire, Notified, Notify, Permit, Semaphore};
use mainspring::task::{AbortHandle, CancellationToken, Cancelled, JoinSet, Local, Tracker};
use mainspring::testing::Test;
use mainspring::time::{Clock, Instant, Interval, Sleep};
use mainspring::{Builder, Handle, JoinError, JoinHandle, Reactor, RemoteJoinHandle, Stats, io};

struct Is<T: ?Sized>(PhantomData<T>);

/// What a constant is that no bound of the type itself gives.
trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T: ?Sized> Otherwise for Is<T> {}

impl<T: ?Sized + Send> Is<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> Is<T> {
    const SYNC: bool = true;
}

type Row = (&'static str, bool, bool);

/// The names of those that differ from `expected`.
fn others(rows: &[Row], expected: (bool, bool)) -> Vec<&'static str> {
    rows.iter().filter(|(_, send, sync)| (*send, *sync) != expected).map(|(name, ..)| *name).collect()
}

#[test]
fn a_test_of_marks_can_tell() {
    assert_eq!((<Is<Rc<u8>>>::SEND, <Is<Rc<u8>>>::SYNC), (false, false));
    assert_eq!((<Is<std::cell::Cell<u8>>>::SEND, <Is<std::cell::Cell<u8>>>::SYNC), (true, false));
    assert_eq!((<Is<u8>>::SEND, <Is<u8>>::SYNC), (true, true));
}

#[test]
fn what_belongs_to_a_reactor_stays_on_its_thread() {
    type Lined = Framed<TcpStream, Lines>;
    let rows: &[Row] = &[
        ("Reactor", <Is<Reactor>>::SEND, <Is<Reactor>>::SYNC),
        ("local::mpsc::Sender<u8>", <Is<local::mpsc::Sender<u8>>>::SEND, <Is<local::mpsc::Sender<u8>>>::SYNC),
        ("local::mpsc::Receiver<u8>", <Is<local::mpsc::Receiver<u8>>>::SEND, <Is<local::mpsc::Receiver<u8>>>::SYNC),
        ("local::oneshot::Sender<u8>", <Is<local::oneshot::Sender<u8>>>::SEND, <Is<local::oneshot::Sender<u8>>>::SYNC),
        (
            "local::oneshot::Receiver<u8>",
            <Is<local::oneshot::Receiver<u8>>>::SEND,
            <Is<local::oneshot::Receiver<u8>>>::SYNC,
        ),
        ("JoinHandle<u8>", <Is<JoinHandle<u8>>>::SEND, <Is<JoinHandle<u8>>>::SYNC),
        ("AbortHandle", <Is<AbortHandle>>::SEND, <Is<AbortHandle>>::SYNC),
        ("JoinSet<u8>", <Is<JoinSet<u8>>>::SEND, <Is<JoinSet<u8>>>::SYNC),
        ("Local<u8>", <Is<Local<u8>>>::SEND, <Is<Local<u8>>>::SYNC),
        ("Tracker", <Is<Tracker>>::SEND, <Is<Tracker>>::SYNC),
        ("Notify", <Is<Notify>>::SEND, <Is<Notify>>::SYNC),
        ("Notified", <Is<Notified>>::SEND, <Is<Notified>>::SYNC),
        ("Semaphore", <Is<Semaphore>>::SEND, <Is<Semaphore>>::SYNC),
        ("Acquire", <Is<Acquire>>::SEND, <Is<Acquire>>::SYNC),
        ("Permit", <Is<Permit>>::SEND, <Is<Permit>>::SYNC),
        ("Sleep", <Is<Sleep>>::SEND, <Is<Sleep>>::SYNC),
        ("Interval", <Is<Interval>>::SEND, <Is<Interval>>::SYNC),
        ("TcpListener", <Is<TcpListener>>::SEND, <Is<TcpListener>>::SYNC),
        ("TcpStream", <Is<TcpStream>>::SEND, <Is<TcpStream>>::SYNC),
        ("UdpSocket", <Is<UdpSocket>>::SEND, <Is<UdpSocket>>::SYNC),
        ("UnixListener", <Is<UnixListener>>::SEND, <Is<UnixListener>>::SYNC),
        ("UnixStream", <Is<UnixStream>>::SEND, <Is<UnixStream>>::SYNC),
        ("UnixDatagram", <Is<UnixDatagram>>::SEND, <Is<UnixDatagram>>::SYNC),
        ("PipeReader", <Is<PipeReader>>::SEND, <Is<PipeReader>>::SYNC),
        ("PipeWriter", <Is<PipeWriter>>::SEND, <Is<PipeWriter>>::SYNC),
        ("Source<std::fs::File>", <Is<Source<std::fs::File>>>::SEND, <Is<Source<std::fs::File>>>::SYNC),
        ("Connecting", <Is<Connecting>>::SEND, <Is<Connecting>>::SYNC),
        ("UnixConnecting", <Is<UnixConnecting>>::SEND, <Is<UnixConnecting>>::SYNC),
        (
            "Incoming<'static,TcpListener>",
            <Is<Incoming<'static, TcpListener>>>::SEND,
            <Is<Incoming<'static, TcpListener>>>::SYNC,
        ),
        ("SpliceEnd<'static>", <Is<SpliceEnd<'static>>>::SEND, <Is<SpliceEnd<'static>>>::SYNC),
        ("SpliceFrom<'static>", <Is<SpliceFrom<'static>>>::SEND, <Is<SpliceFrom<'static>>>::SYNC),
        ("SpliceTo<'static>", <Is<SpliceTo<'static>>>::SEND, <Is<SpliceTo<'static>>>::SYNC),
        ("Lined", <Is<Lined>>::SEND, <Is<Lined>>::SYNC),
        ("Connection", <Is<Connection>>::SEND, <Is<Connection>>::SYNC),
        ("Draining", <Is<Draining>>::SEND, <Is<Draining>>::SYNC),
        ("Serving", <Is<Serving>>::SEND, <Is<Serving>>::SYNC),
        ("Signal", <Is<Signal>>::SEND, <Is<Signal>>::SYNC),
        ("signal::Notified<'static>", <Is<signal::Notified<'static>>>::SEND, <Is<signal::Notified<'static>>>::SYNC),
        ("Child", <Is<Child>>::SEND, <Is<Child>>::SYNC),
        ("io::PooledBuffer", <Is<io::PooledBuffer>>::SEND, <Is<io::PooledBuffer>>::SYNC),
        (
            "pipeline::Client<String,String>",
            <Is<pipeline::Client<String, String>>>::SEND,
            <Is<pipeline::Client<String, String>>>::SYNC,
        ),
        (
            "pipeline::Call<String,String>",
            <Is<pipeline::Call<String, String>>>::SEND,
            <Is<pipeline::Call<String, String>>>::SYNC,
        ),
        (
            "pipeline::Connection<Lined,String>",
            <Is<pipeline::Connection<Lined, String>>>::SEND,
            <Is<pipeline::Connection<Lined, String>>>::SYNC,
        ),
        (
            "multiplex::Client<String,String>",
            <Is<multiplex::Client<String, String>>>::SEND,
            <Is<multiplex::Client<String, String>>>::SYNC,
        ),
        (
            "multiplex::Call<String,String>",
            <Is<multiplex::Call<String, String>>>::SEND,
            <Is<multiplex::Call<String, String>>>::SYNC,
        ),
        (
            "multiplex::Connection<Lined,String>",
            <Is<multiplex::Connection<Lined, String>>>::SEND,
            <Is<multiplex::Connection<Lined, String>>>::SYNC,
        ),
        ("BoxService<u8,u8,u8>", <Is<BoxService<u8, u8, u8>>>::SEND, <Is<BoxService<u8, u8, u8>>>::SYNC),
    ];
    assert_eq!(others(rows, (false, false)), [""; 0], "may leave their thread");
}

#[test]
fn what_reaches_a_reactor_goes_anywhere() {
    let rows: &[Row] = &[
        ("Handle", <Is<Handle>>::SEND, <Is<Handle>>::SYNC),
        ("JoinError", <Is<JoinError>>::SEND, <Is<JoinError>>::SYNC),
        ("Builder", <Is<Builder>>::SEND, <Is<Builder>>::SYNC),
        ("Stats", <Is<Stats>>::SEND, <Is<Stats>>::SYNC),
        ("signal::Notifier", <Is<signal::Notifier>>::SEND, <Is<signal::Notifier>>::SYNC),
        ("CancellationToken", <Is<CancellationToken>>::SEND, <Is<CancellationToken>>::SYNC),
        ("Cancelled", <Is<Cancelled>>::SEND, <Is<Cancelled>>::SYNC),
        ("Instant", <Is<Instant>>::SEND, <Is<Instant>>::SYNC),
        ("Clock", <Is<Clock>>::SEND, <Is<Clock>>::SYNC),
        ("Test", <Is<Test>>::SEND, <Is<Test>>::SYNC),
        ("Server", <Is<Server>>::SEND, <Is<Server>>::SYNC),
        ("ServerBuilder", <Is<ServerBuilder>>::SEND, <Is<ServerBuilder>>::SYNC),
        ("mpsc::Sender<u8>", <Is<mpsc::Sender<u8>>>::SEND, <Is<mpsc::Sender<u8>>>::SYNC),
        ("mpsc::Receiver<u8>", <Is<mpsc::Receiver<u8>>>::SEND, <Is<mpsc::Receiver<u8>>>::SYNC),
        ("oneshot::Sender<u8>", <Is<oneshot::Sender<u8>>>::SEND, <Is<oneshot::Sender<u8>>>::SYNC),
        ("oneshot::Receiver<u8>", <Is<oneshot::Receiver<u8>>>::SEND, <Is<oneshot::Receiver<u8>>>::SYNC),
        ("ListenOptions", <Is<ListenOptions>>::SEND, <Is<ListenOptions>>::SYNC),
        ("ConnectOptions", <Is<ConnectOptions>>::SEND, <Is<ConnectOptions>>::SYNC),
        ("BindOptions", <Is<BindOptions>>::SEND, <Is<BindOptions>>::SYNC),
        ("UnixListenOptions", <Is<UnixListenOptions>>::SEND, <Is<UnixListenOptions>>::SYNC),
        ("Datagrams", <Is<Datagrams>>::SEND, <Is<Datagrams>>::SYNC),
        ("Interest", <Is<Interest>>::SEND, <Is<Interest>>::SYNC),
    ];
    assert_eq!(others(rows, (true, true)), [""; 0], "may not leave their thread");
    // Its abort is a word that is said once.
    assert_eq!((<Is<RemoteJoinHandle<u8>>>::SEND, <Is<RemoteJoinHandle<u8>>>::SYNC), (true, false));
}
