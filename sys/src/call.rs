//! The system calls of this crate, by kind.
//!
//! Each one names its kind where it passes `check.rs`. The kind costs nothing as it is: no build but one with
//! `--cfg mainspring_faults` looks at it, where a test makes calls of a kind fail (`faults.rs`). Calls that differ in
//! what their failure means are different kinds, also where the system has one name for them.
//!
//! An enum of our own and not the number of the system call: one of our calls is another one elsewhere, and one of
//! libc or of `socket2` may be several.
#![cfg_attr(not(mainspring_faults), allow(dead_code, unreachable_pub, reason = "only faults look at it"))]

/// A kind of system call.
///
/// `SO_ERROR`, addresses and options are apart, since connecting asks for the first two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Call {
    /// `accept4`, `accept`.
    Accept,
    /// `sched_getaffinity`, `sched_setaffinity`.
    Affinity,
    /// `eventfd`: what a waker writes to is made. Kqueue has no such call.
    Alarm,
    /// The `kevent` that makes many changes.
    Apply,
    /// `bind`.
    Bind,
    /// `connect`.
    Connect,
    /// `epoll_ctl(DEL)`, and the `kevent` that deletes.
    Deregister,
    /// `splice` from a pipe in the middle; between two ends of which one is a pipe, after it has found no room.
    DrainConduit,
    /// `splice` into a pipe in the middle, and between two ends of which one is a pipe.
    FillConduit,
    /// `pthread_atfork`.
    ForkHandler,
    /// `sigaction`.
    Handler,
    /// `getrlimit`.
    Limit,
    /// `listen`.
    Listen,
    /// `getsockname`.
    LocalAddress,
    /// `fcntl`: close-on-exec, non-blocking.
    Mode,
    /// `getsockopt` and `setsockopt`, but for `SO_ERROR`.
    Option,
    /// `socketpair`.
    Pair,
    /// `getpeername`.
    PeerAddress,
    /// `pipe2`, `pipe`.
    Pipe,
    /// `poll`: which end of a conduit is not ready.
    PollConduit,
    /// `pidfd_open`.
    ProcessDescriptor,
    /// `read`, `readv` of a pipe.
    ReadPipe,
    /// `recv`.
    Recv,
    /// `recvmsg` with descriptors.
    RecvDescriptors,
    /// `recvmsg` of a datagram with its sender.
    RecvFrom,
    /// `recvmmsg`, or `recvmsg` for each datagram of a batch.
    RecvMany,
    /// `recvmsg` into several buffers.
    RecvVectored,
    /// `epoll_ctl(ADD)`, and the `kevent` that adds or changes.
    Register,
    /// `epoll_ctl(MOD)`.
    Reregister,
    /// `read` of an eventfd: its counter is set back.
    Reset,
    /// `getaddrinfo`.
    Resolve,
    /// `write` to an eventfd, the `kevent` that triggers: a waker ends the wait of a selector.
    Ring,
    /// `epoll_wait`, `epoll_pwait2`, and the `kevent` that waits.
    Select,
    /// `epoll_create1`, `kqueue`.
    Selector,
    /// `send`.
    Send,
    /// `sendmsg` with descriptors.
    SendDescriptors,
    /// `sendmmsg`, or `sendmsg` for each datagram of a batch.
    SendMany,
    /// `sendmsg` of a datagram to an address.
    SendTo,
    /// `sendmsg` of several buffers.
    SendVectored,
    /// `shutdown`.
    Shutdown,
    /// `socket`.
    Socket,
    /// `getsockopt(SO_ERROR)`.
    TakeError,
    /// `write`, `writev` to a pipe.
    WritePipe,
}
