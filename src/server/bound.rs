//! A listening socket together with the file that it has made, if it has made one.
//!
//! First what [`bind`](super::ServerBuilder::bind) has opened, then the listener of a reactor; of several threads that
//! share one socket each has its own, with a share in the file.
//!
//! Guarantees: the file is removed before the last of them closes, however that comes: by a drain, with a server that
//! is dropped, with a reactor that ends or a panic that stops it. So nobody finds a file where nobody listens, and while
//! it may be removed the kernel keeps its inode, by which it is known. A [`Serving`](super::Serving), which may be kept
//! for longer than its reactor, has no share. The one exception is a listener that cannot be registered: it closes with
//! that error, and the file is removed right after.
//!
//! One type and not two fields side by side: the order in which the parameters of an asynchronous function are dropped
//! changes with its first poll.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::socket_file::SocketFile;

/// A socket that listens, or the listener that it has become.
pub(super) struct Bound<L> {
    /// The file, if there is one; before the listener, so that it is dropped while that is open.
    file: Option<Arc<SocketFile>>,
    /// What listens.
    listener: L,
}

impl<L> Bound<L> {
    /// A listener that has made no file.
    pub(super) const fn without_file(listener: L) -> Self {
        Self { file: None, listener }
    }

    /// A listener that has made this file.
    pub(super) fn with_file(listener: L, file: SocketFile) -> Self {
        Self { file: Some(Arc::new(file)), listener }
    }

    /// The file, for as long as somebody listens there.
    pub(super) fn file(&self) -> Weak<SocketFile> {
        self.file.as_ref().map_or_else(Weak::new, Arc::downgrade)
    }

    /// What `make` makes of the listener, with the same share in the file.
    pub(super) fn map<T>(self, make: impl FnOnce(L) -> io::Result<T>) -> io::Result<Bound<T>> {
        Ok(Bound { listener: make(self.listener)?, file: self.file })
    }

    /// Another one beside this.
    pub(super) fn and<T>(&self, make: impl FnOnce(&L) -> io::Result<T>) -> io::Result<Bound<T>> {
        Ok(Bound { listener: make(&self.listener)?, file: self.file.clone() })
    }
}

impl<L> Deref for Bound<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.listener
    }
}
