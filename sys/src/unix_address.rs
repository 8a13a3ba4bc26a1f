//! The addresses of Unix sockets: a path, an abstract name, or none.
//!
//! The type is the standard library's `std::os::unix::net::SocketAddr`, which is what users of Unix
//! sockets have in hand. What it has on some systems alone, abstract names, is here for all, with an
//! error where there are none; so the rest of this crate and its users need no `cfg`.
//!
//! Turned down: a type of our own, which everyone would have to convert.

use std::ffi::OsStr;
use std::io;
use std::mem::offset_of;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// Room for a path and its zero, or a zero and a name, in bytes: 108 on Linux, 104 on others, unix(7).
const PATH_MAX: usize = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path);

/// The address of the abstract name `name`, up to 107 bytes of any value: not a file, and gone with its
/// socket, unix(7).
///
/// # Errors
///
/// `InvalidInput` for a name that is too long; `Unsupported` where there are no such names: everywhere but
/// on Linux and Android.
pub fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return SocketAddr::from_abstract_name(name);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let message = format!("abstract names of Unix sockets do not exist on this system: {name:?}");
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

/// The abstract name that an address is, if it is one.
pub fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return address.as_abstract_name();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = address;
        None
    }
}

/// The path as it stands in a `sockaddr_un`: a path with the zero after it, a name with the zero before.
pub(crate) fn to_path(address: &SocketAddr) -> io::Result<Vec<u8>> {
    let path = match (address.as_pathname(), abstract_name(address)) {
        (Some(path), _) => [path.as_os_str().as_bytes(), &[0]].concat(),
        (None, Some(name)) => [&[0], name].concat(),
        (None, None) => {
            let message = "could not use the address of an unnamed Unix socket";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    };
    debug_assert!(path.len() <= PATH_MAX, "the standard library has checked its length");
    Ok(path)
}

/// The address of a path; unnamed if the standard library's type cannot hold it. On Linux a peer may be bound to one of
/// 108 bytes, with no zero after it: whoever is told of such a peer must not fail for it.
pub(crate) fn of_pathname(path: &Path) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path).or_else(|_| SocketAddr::from_pathname(""))
}

/// The address whose path in a `sockaddr_un` is this.
pub(crate) fn from_path(path: &[u8]) -> io::Result<SocketAddr> {
    match path {
        [0, name @ ..] if cfg!(any(target_os = "linux", target_os = "android")) => abstract_address(name),
        // Empty, or on other systems all zeros, is an unnamed one; so it is for the standard library.
        path => {
            let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
            of_pathname(Path::new(OsStr::from_bytes(&path[..end])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_address_is_nowhere_to_go() {
        let unnamed = from_path(b"").unwrap();
        assert!(unnamed.is_unnamed());
        assert_eq!(to_path(&unnamed).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_peer_whose_path_fills_all_the_room_is_unnamed() {
        let address = from_path(&[b'p'; PATH_MAX]).unwrap();
        assert!(address.is_unnamed(), "{address:?}");
    }

    #[test]
    fn the_longest_path_and_name_fit() {
        let path = vec![b'p'; PATH_MAX - 1];
        let address = SocketAddr::from_pathname(OsStr::from_bytes(&path)).unwrap();
        assert_eq!(to_path(&address).unwrap().len(), PATH_MAX);
        assert_eq!(from_path(&path).unwrap().as_pathname(), Some(Path::new(OsStr::from_bytes(&path))));
        if cfg!(any(target_os = "linux", target_os = "android")) {
            let name = vec![0; PATH_MAX - 1];
            let address = abstract_address(&name).unwrap();
            assert_eq!(abstract_name(&address), Some(name.as_slice()));
            assert_eq!(to_path(&address).unwrap().len(), PATH_MAX);
            assert!(abstract_address(&[0; PATH_MAX]).is_err());
        }
    }
}
