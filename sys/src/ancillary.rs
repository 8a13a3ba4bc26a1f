//! Passing descriptors over Unix sockets: `SCM_RIGHTS`, unix(7) and cmsg(3).
//!
//! For whoever hands connections or files to another process. What is received is owned and close-on-exec
//! from birth (on Apple from just after), and nothing that has come is ever leaked: if a part of what was
//! sent did not arrive, the part that did is closed, and the caller is told.
//!
//! The control data is written and read as bytes, with every length checked against what is there, so that
//! the one unsafe step is to own the numbers that came. The C library's `CMSG_*` macros do the same with
//! pointers; their arithmetic is taken from there, once. A message carries one set of descriptors, and other
//! kinds of control data are passed over; the descriptor of the sender's process, which a user may have asked
//! Linux for (`SO_PASSPIDFD`), is closed.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_uint, cmsghdr};

use crate::Socket;
use crate::call::Call;
#[cfg(target_vendor = "apple")]
use crate::check::attempt;
use crate::message::{Incoming, Outgoing, fitting};
use crate::seam::cut;

/// The most descriptors of one message, in items: Linux's `SCM_MAX_FD`. Some systems take fewer.
pub(crate) const DESCRIPTORS_MAX: usize = 253;

/// The size of a header with what fills it up, and what the lengths of the data are rounded up to, in bytes.
// SAFETY: arithmetic on lengths; unsafe only because all of these macros are.
const LAYOUT: (usize, usize) =
    unsafe { (libc::CMSG_LEN(0) as usize, (libc::CMSG_SPACE(1) - libc::CMSG_LEN(0)) as usize) };
const HEADER: usize = LAYOUT.0;
const ALIGNMENT: usize = LAYOUT.1;
/// The size of the length in a header: 8 bytes on Linux, 4 elsewhere.
const LENGTH: usize = offset_of!(cmsghdr, cmsg_level) - offset_of!(cmsghdr, cmsg_len);
const INTEGER: usize = size_of::<c_int>();
/// Room for control data that others have asked for on the same socket, in bytes: credentials, a label.
const OTHERS: usize = 256;
const CONTROL: usize = HEADER + DESCRIPTORS_MAX * INTEGER + ALIGNMENT + OTHERS;

/// The descriptor of the process of the sender, which `libc` does not name.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SCM_PIDFD: c_int = 4;

/// Control data, aligned as cmsg(3) wants it.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// There is no flag: said just after.
#[cfg(target_vendor = "apple")]
const CLOSE_ON_EXEC: c_int = 0;
/// The descriptors of a received message are close-on-exec from birth, recv(2).
#[cfg(not(target_vendor = "apple"))]
const CLOSE_ON_EXEC: c_int = libc::MSG_CMSG_CLOEXEC;

/// What [`Socket::recv_descriptors`] has received besides the descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the bytes have been received, and descriptors may be missing"]
pub struct Received {
    /// How many bytes were put into the buffers.
    pub bytes: usize,
    /// True if descriptors came with these bytes and not all could be taken, because the process has no room for them
    /// (`RLIMIT_NOFILE`) or they were too many: those that came have been closed, and none is given.
    pub descriptors_lost: bool,
}

impl Socket {
    /// The most descriptors of one message, in items: what Linux takes. Other systems may take fewer.
    pub const DESCRIPTORS_MAX: usize = DESCRIPTORS_MAX;

    /// As [`send_vectored`](Self::send_vectored), and passes the descriptors to the receiver of the first byte. The
    /// receiver has duplicates; those here stay open, and may be closed as soon as this has returned.
    ///
    /// On a stream the descriptors have been passed as soon as one byte has: if fewer bytes were sent than there are,
    /// the rest is to be sent without them.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send); `InvalidInput` for more than 253 descriptors, and for no bytes with descriptors,
    /// which a stream would drop; `ETOOMANYREFS` if too many of this user are under way, unix(7).
    ///
    /// ```
    /// use std::io::{IoSlice, IoSliceMut};
    /// use std::os::fd::AsFd;
    /// use mainspring_sys::Socket;
    ///
    /// let (left, right) = Socket::unix_stream_pair()?;
    /// let (reader, writer) = mainspring_sys::pipe()?;
    /// left.send_descriptors(&[IoSlice::new(b"x")], &[reader.as_fd()])?;
    ///
    /// let mut descriptors = Vec::new();
    /// let received = right.recv_descriptors(&mut [IoSliceMut::new(&mut [0; 16])], &mut descriptors)?;
    /// assert_eq!((received.bytes, received.descriptors_lost, descriptors.len()), (1, false, 1));
    /// # drop(writer);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_descriptors(&self, buffers: &[IoSlice<'_>], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let count = descriptors.len();
        if count == 0 {
            return self.send_vectored(buffers);
        }
        if count > DESCRIPTORS_MAX {
            let message = format!("could not pass {count} descriptors in one message: more than {DESCRIPTORS_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let buffers = &buffers[..cut(Call::SendDescriptors, fitting(buffers))];
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            let message = format!("could not pass {count} descriptors: they need a byte to go with");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut control = Control([0; CONTROL]);
        let length = put_rights(&mut control.0, descriptors);
        Outgoing::new(buffers).with_control(&control.0[..length]).send(Call::SendDescriptors, self.as_fd())
    }

    /// As [`recv_vectored`](Self::recv_vectored), and takes the descriptors that came with these bytes, at the end of
    /// `descriptors`: up to 253, close-on-exec, and blocking or not as the sender has them.
    ///
    /// On a stream a receive ends behind the bytes that descriptors came with, so fewer bytes than there was room for
    /// mean nothing here: there may be more, and no event tells of it. Go on until `WouldBlock`.
    ///
    /// Received with another method, the bytes are the same, and the system closes the descriptors.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv). Descriptors that were lost are not an error, because the bytes were not:
    /// [`Received`] says so.
    pub fn recv_descriptors(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Received> {
        let count = cut(Call::RecvDescriptors, fitting(buffers));
        let mut control = Control([0; CONTROL]);
        let mut message = Incoming::new(&mut buffers[..count]).with_control(&mut control.0);
        let bytes = message.receive(Call::RecvDescriptors, self.as_fd(), CLOSE_ON_EXEC)?;
        let (length, descriptors_lost) = (message.control_length(), message.has(libc::MSG_CTRUNC));
        let known = descriptors.len();
        let control = &control.0[..length.min(CONTROL)];
        // SAFETY: the system has just opened this descriptor here, to go with this message, and nobody else knows it.
        let owned = |number| unsafe { OwnedFd::from_raw_fd(number) };
        descriptors.extend(numbers(control, libc::SCM_RIGHTS).map(owned));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        numbers(control, SCM_PIDFD).map(owned).for_each(drop);
        if descriptors_lost {
            descriptors.truncate(known);
        }
        #[cfg(target_vendor = "apple")]
        for descriptor in &descriptors[known..] {
            attempt(Call::Mode, || socket2::SockRef::from(descriptor).set_cloexec(true))?;
        }
        Ok(Received { bytes, descriptors_lost })
    }
}

/// Writes a header and the numbers of the descriptors, and says how long both are together.
fn put_rights(control: &mut [u8], descriptors: &[BorrowedFd<'_>]) -> usize {
    let length = HEADER + descriptors.len() * INTEGER;
    match LENGTH {
        8 => put(control, offset_of!(cmsghdr, cmsg_len), &(length as u64).to_ne_bytes()),
        _ => put(control, offset_of!(cmsghdr, cmsg_len), &(length as c_uint).to_ne_bytes()),
    }
    put(control, offset_of!(cmsghdr, cmsg_level), &libc::SOL_SOCKET.to_ne_bytes());
    put(control, offset_of!(cmsghdr, cmsg_type), &libc::SCM_RIGHTS.to_ne_bytes());
    for (index, descriptor) in descriptors.iter().enumerate() {
        put(control, HEADER + index * INTEGER, &descriptor.as_raw_fd().to_ne_bytes());
    }
    length.next_multiple_of(ALIGNMENT)
}

/// The numbers of the descriptors in received control data, of messages of one kind.
fn numbers(control: &[u8], kind: c_int) -> impl Iterator<Item = c_int> {
    let mut rest = control;
    let messages = std::iter::from_fn(move || {
        let header = rest.get(..HEADER)?;
        // Cut to what is there: a message that was truncated may say the length that it had.
        let length = length_of(header).clamp(HEADER, rest.len());
        let message = &rest[..length];
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(message)
    });
    let of_kind = messages.filter(move |message| {
        integer(message, offset_of!(cmsghdr, cmsg_level)) == libc::SOL_SOCKET
            && integer(message, offset_of!(cmsghdr, cmsg_type)) == kind
    });
    let numbers = of_kind.flat_map(|message| message[HEADER..].chunks_exact(INTEGER));
    numbers.map(|number| integer(number, 0)).filter(|number| *number >= 0)
}

fn length_of(header: &[u8]) -> usize {
    let start = offset_of!(cmsghdr, cmsg_len);
    match LENGTH {
        8 => u64::from_ne_bytes(array(header, start)) as usize,
        _ => c_uint::from_ne_bytes(array(header, start)) as usize,
    }
}

fn integer(bytes: &[u8], start: usize) -> c_int {
    c_int::from_ne_bytes(array(bytes, start))
}

fn array<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[start + index])
}

fn put(control: &mut [u8], start: usize, bytes: &[u8]) {
    control[start..start + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let (reader, writer) = crate::pipe().unwrap();
        let mut control = Control([0; CONTROL]);
        let length = put_rights(&mut control.0, &[reader.as_fd(), writer.as_fd()]);
        let numbers: Vec<_> = numbers(&control.0[..length], libc::SCM_RIGHTS).collect();
        assert_eq!(numbers, [reader.as_fd().as_raw_fd(), writer.as_fd().as_raw_fd()]);
        assert_eq!(length, (HEADER + 8).next_multiple_of(ALIGNMENT));
    }

    #[test]
    fn no_control_data_whatever_is_read_beyond_its_end() {
        let (reader, _writer) = crate::pipe().unwrap();
        let mut control = Control([0; CONTROL]);
        let length = put_rights(&mut control.0, &[reader.as_fd(); 3]);
        for cut in 0..=length {
            let whole = cut.saturating_sub(HEADER) / INTEGER;
            assert_eq!(numbers(&control.0[..cut], libc::SCM_RIGHTS).count(), whole.min(3), "{cut}");
        }
        for value in 0..=u8::MAX {
            // A length of any bytes: ends, and stays inside.
            let mut wild = [value; 4 * HEADER + 1];
            assert!(numbers(&wild, libc::SCM_RIGHTS).count() <= wild.len());
            wild[..LENGTH].fill(0);
            assert!(numbers(&wild, libc::SCM_RIGHTS).count() <= wild.len());
        }
    }
}
