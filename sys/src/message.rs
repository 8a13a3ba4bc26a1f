//! The message header of sendmsg(2) and recvmsg(2), built from what it borrows.
//!
//! Everything that moves more than one plain buffer goes through here: several buffers, addresses,
//! descriptors, batches (`messages.rs`). Two types, because what is sent may be shared and what is received
//! into may not; each holds the borrow of all that the header points to, so the calls are safe.
//!
//! Each is laid out as the system's `mmsghdr`, also for one message, so that a batch is a slice of them;
//! eight bytes more to clear is the price.

use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, socklen_t};

use crate::address::Address;
use crate::call::Call;
use crate::check::retry;
use crate::messages::Record;

/// The longest buffer that is given to the system, in bytes. Apple refuses more with `EINVAL`.
#[cfg(target_vendor = "apple")]
pub(crate) const LENGTH_MAX: usize = c_int::MAX as usize - 1;
/// The longest buffer that is given to the system, in bytes: what the result can express.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const LENGTH_MAX: usize = isize::MAX as usize;

/// The most buffers in one call, in items: `IOV_MAX`, the same on every system here.
pub(crate) const BUFFERS_MAX: usize = 1024;

/// No `SIGPIPE`: said at birth, `SO_NOSIGPIPE`.
#[cfg(target_vendor = "apple")]
pub(crate) const SEND_FLAGS: c_int = 0;
/// No `SIGPIPE`, send(2).
#[cfg(not(target_vendor = "apple"))]
pub(crate) const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;

/// A message to be sent.
#[repr(transparent)]
pub(crate) struct Outgoing<'a> {
    /// Points to what the lifetime keeps borrowed, and nothing is written through it.
    record: Record,
    parts: PhantomData<(&'a [IoSlice<'a>], &'a Address, &'a [u8])>,
}

impl<'a> Outgoing<'a> {
    /// A message of these buffers, 1,024 at most, to whom the socket is connected to.
    pub(crate) fn new(buffers: &'a [IoSlice<'_>]) -> Self {
        let mut record = empty();
        record.msg_hdr.msg_iov = buffers.as_ptr().cast_mut().cast();
        record.msg_hdr.msg_iovlen = buffers.len().min(BUFFERS_MAX) as _;
        Self { record, parts: PhantomData }
    }

    /// The same to an address; an empty one changes nothing.
    pub(crate) fn to(mut self, address: &'a Address) -> Self {
        if !address.is_empty() {
            let (start, length) = address.parts();
            self.record.msg_hdr.msg_name = start.cast_mut().cast();
            self.record.msg_hdr.msg_namelen = length;
        }
        self
    }

    /// The same with control data.
    pub(crate) fn with_control(mut self, control: &'a [u8]) -> Self {
        self.record.msg_hdr.msg_control = control.as_ptr().cast_mut().cast();
        self.record.msg_hdr.msg_controllen = control.len() as _;
        self
    }

    /// Sends it by a call of the kind, and says how many bytes were taken.
    #[inline]
    pub(crate) fn send(&self, call: Call, fd: BorrowedFd<'_>) -> io::Result<usize> {
        // SAFETY: all that the header points to is borrowed for as long as it lives and readable for its
        // length: `IoSlice` is an iovec by its documentation. sendmsg(2) does not write through the pointers.
        let make = || unsafe { libc::sendmsg(fd.as_raw_fd(), &self.record.msg_hdr, SEND_FLAGS) };
        Ok(retry(call, make).map_err(send_error)? as usize)
    }
}

/// Room for a message to be received.
#[repr(transparent)]
pub(crate) struct Incoming<'a> {
    /// Points to what the lifetime keeps borrowed to be written.
    record: Record,
    parts: PhantomData<(&'a mut [IoSliceMut<'a>], &'a mut Address, &'a mut [u8])>,
}

impl<'a> Incoming<'a> {
    /// A message into these buffers, 1,024 at most.
    pub(crate) fn new(buffers: &'a mut [IoSliceMut<'_>]) -> Self {
        let mut record = empty();
        record.msg_hdr.msg_iovlen = buffers.len().min(BUFFERS_MAX) as _;
        record.msg_hdr.msg_iov = buffers.as_mut_ptr().cast();
        Self { record, parts: PhantomData }
    }

    /// The same with the sender's address, whose length is in [`address_length`](Self::address_length) then.
    pub(crate) fn with_address(mut self, address: &'a mut Address) -> Self {
        let (start, length) = address.room();
        self.record.msg_hdr.msg_name = start.cast();
        self.record.msg_hdr.msg_namelen = *length;
        self
    }

    /// The same with room for control data.
    pub(crate) fn with_control(mut self, control: &'a mut [u8]) -> Self {
        self.record.msg_hdr.msg_control = control.as_mut_ptr().cast();
        self.record.msg_hdr.msg_controllen = control.len() as _;
        self
    }

    /// Receives a message by a call of the kind, and says how many bytes were put into the buffers.
    #[inline]
    pub(crate) fn receive(&mut self, call: Call, fd: BorrowedFd<'_>, flags: c_int) -> io::Result<usize> {
        let header = &raw mut self.record.msg_hdr;
        // SAFETY: all that the header points to is borrowed mutably for as long as it lives and writable for
        // its length: `IoSliceMut` is an iovec by its documentation.
        let make = || unsafe { libc::recvmsg(fd.as_raw_fd(), header, flags) };
        Ok(retry(call, make)? as usize)
    }

    /// The number of bytes, after a batch was received.
    pub(crate) fn length(&self) -> usize {
        self.record.msg_len as usize
    }

    /// The length of the sender's address.
    pub(crate) fn address_length(&self) -> socklen_t {
        self.record.msg_hdr.msg_namelen
    }

    /// The length of the control data.
    pub(crate) fn control_length(&self) -> usize {
        #[allow(clippy::unnecessary_cast, reason = "it has 32 bits on the BSDs and Apple")]
        let length = self.record.msg_hdr.msg_controllen as usize;
        length
    }

    /// True if one of these flags was set with the message.
    pub(crate) fn has(&self, flags: c_int) -> bool {
        self.record.msg_hdr.msg_flags & flags != 0
    }

    /// Takes note of the number of bytes, where a batch is received one by one.
    pub(crate) fn set_length(&mut self, length: usize) {
        self.record.msg_len = length as _;
    }
}

fn empty() -> Record {
    // SAFETY: all zeros is a message header without address, buffers or control data, on every system.
    unsafe { std::mem::zeroed() }
}

/// The error of a send as every other system has it: while a connection is being torn down, Apple says
/// `EPROTOTYPE`, as if it were the caller's mistake.
#[inline]
pub(crate) fn send_error(error: io::Error) -> io::Error {
    if cfg!(target_vendor = "apple") && error.raw_os_error() == Some(libc::EPROTOTYPE) {
        return io::Error::from_raw_os_error(libc::ECONNRESET);
    }
    error
}

/// How many of the first buffers go into one call: [`BUFFERS_MAX`], and no more bytes than [`LENGTH_MAX`].
/// Zero if the first alone is too long.
#[inline]
pub(crate) fn fitting<T: std::ops::Deref<Target = [u8]>>(buffers: &[T]) -> usize {
    let count = buffers.len().min(BUFFERS_MAX);
    if !cfg!(target_vendor = "apple") {
        return count;
    }
    let mut room = LENGTH_MAX;
    let fits = |buffer: &&T| {
        let rest = room.checked_sub(buffer.len());
        room = rest.unwrap_or(room);
        rest.is_some()
    };
    buffers[..count].iter().take_while(fits).count()
}
