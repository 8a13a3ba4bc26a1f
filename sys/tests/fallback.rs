//! A kernel or a sandbox without epoll_pwait2(2): waits are rounded up to milliseconds, and it is not asked again.
//!
//! A seccomp filter refuses the call, in a process of its own, since a filter cannot be taken off.
#![cfg(all(not(loom), target_os = "linux", not(mainspring_force_kqueue)))]

mod util;

use std::time::{Duration, Instant};

use mainspring_sys::{Events, Interest, Mode, OsSelector, Selector};
use util::{Watch, in_child, tcp_pair};

/// From now on each epoll_pwait2 of this thread ends with `action`, seccomp(2).
fn filter(action: u32) {
    let statement = |code: u32, jump: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: jump, k };
    let mut program = [
        // The number of the call is the first field of what a filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_epoll_pwait2 as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, action),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: this command takes numbers alone.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program is readable, and its four statements too.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// What the kernel says to an epoll_pwait2 of this thread.
fn refusal() -> Option<i32> {
    // SAFETY: the descriptor is none, so nothing is written.
    let result = unsafe { libc::syscall(libc::SYS_epoll_pwait2, -1, 0, 0, 0, 0, 0) };
    assert_eq!(result, -1);
    std::io::Error::last_os_error().raw_os_error()
}

fn goes_on_without_it(code: i32) {
    assert_ne!(refusal(), Some(code), "the filter is to be what refuses");
    filter(libc::SECCOMP_RET_ERRNO | code as u32);
    assert_eq!(refusal(), Some(code));
    let (client, server) = tcp_pair();
    let watch = Watch::new(&client, Interest::READABLE, Mode::Edge);
    let mut events = Events::with_capacity(8);
    for round in 0..20 {
        for nanoseconds in [1, 100_000, 999_999, 1_000_000, 1_000_001, 2_500_000] {
            let timeout = Duration::from_nanos(nanoseconds);
            let start = Instant::now();
            watch.selector.select(&mut events, Some(timeout)).unwrap();
            assert!(start.elapsed() >= timeout, "{timeout:?}: {:?}", start.elapsed());
            assert!(events.is_empty());
        }
        server.send(b"x").unwrap();
        watch.selector.select(&mut events, Some(Duration::from_nanos(9_999_999_999))).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(client.recv(&mut [0; 9]).unwrap(), 1);
        if round == 0 {
            // It has been refused once. Whoever asks again ends this process.
            filter(libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
    // Another selector knows it too.
    let other = OsSelector::new().unwrap();
    other.select(&mut events, Some(Duration::from_nanos(1))).unwrap();
}

#[test]
fn a_kernel_without_fine_waits_is_asked_once() {
    in_child("a_kernel_without_fine_waits_is_asked_once", || goes_on_without_it(libc::ENOSYS));
}

#[test]
fn a_sandbox_that_forbids_fine_waits_is_asked_once() {
    in_child("a_sandbox_that_forbids_fine_waits_is_asked_once", || goes_on_without_it(libc::EPERM));
}

#[test]
fn another_error_of_a_fine_wait_is_reported() {
    in_child("another_error_of_a_fine_wait_is_reported", || {
        filter(libc::SECCOMP_RET_ERRNO | libc::EBADF as u32);
        let selector = OsSelector::new().unwrap();
        let mut events = Events::with_capacity(8);
        for _ in 0..2 {
            let error = selector.select(&mut events, Some(Duration::from_nanos(1))).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        }
        selector.select(&mut events, Some(Duration::from_millis(1))).unwrap();
    });
}
