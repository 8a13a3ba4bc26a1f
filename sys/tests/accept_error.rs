//! Whose error an error of `accept` is, number by number.

use std::io;

use mainspring_sys::AcceptError;

fn of(code: i32) -> AcceptError {
    AcceptError::of(&io::Error::from_raw_os_error(code))
}

#[test]
fn what_has_become_of_one_connection_is_its_own() {
    let codes = [
        libc::ECONNABORTED,
        libc::EINTR,
        libc::EPERM,
        libc::EPROTO,
        libc::ENETDOWN,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
    ];
    for code in codes {
        assert_eq!(of(code), AcceptError::Connection, "{code}");
    }
    #[cfg(target_os = "linux")]
    for code in [libc::ENONET, libc::EOPNOTSUPP] {
        assert_eq!(of(code), AcceptError::Connection, "{code}");
    }
}

#[test]
fn a_shortage_is_of_the_moment() {
    for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        assert_eq!(of(code), AcceptError::Moment, "{code}");
    }
}

#[test]
fn all_else_is_the_listeners() {
    for code in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EFAULT, libc::EIO, 4095] {
        assert_eq!(of(code), AcceptError::Listener, "{code}");
    }
    assert_eq!(AcceptError::of(&io::Error::other("no number")), AcceptError::Listener);
}
