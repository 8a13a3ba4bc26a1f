//! A client of the path of a Unix socket.
//!
//! The end of a [`ClientBuilder`] beside those of `connect.rs`, for one endpoint that is no address: nothing is looked
//! up, nothing changes, and since it is alone every call may connect. What stands above and below the endpoint is the
//! same.
//!
//! To add paths to the addresses that a client balances was turned down: whoever has several servers of one machine
//! has a balance for them ([`Balance`](crate::service::balance::Balance)), and resolvers would have to say which.
use std::cell::Cell;
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::{self, Path};
use std::rc::Rc;

use super::connector::Target;
use super::{Client, ClientBuilder};
use crate::attempted::in_words;
use crate::net::UnixStream;
use crate::service::balance::Endpoints;

impl<C> ClientBuilder<C> {
    /// A client of the server at the path of a Unix socket, which is its one endpoint: with the same pool, deadlines and
    /// retries as [`connect`](Self::connect), but [`connect_options`](Self::connect_options) are of TCP alone. Each new
    /// connection is made by the path, so a server that was started again there is found. No connection is made before
    /// the first call.
    ///
    /// A relative path is taken from the working directory of now, whatever it is later. It is a path and never an
    /// abstract name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is empty, or too long from the root (107 bytes on Linux); whatever `getcwd(3)`
    /// reports if it is relative. A path where nobody listens is an error of the call,
    /// [`Error::ConnectUnix`](super::Error::ConnectUnix).
    ///
    /// ```
    /// use mainspring::net::UnixListener;
    /// use mainspring::service::{Service, service_fn};
    /// use mainspring::Client;
    ///
    /// # let folder = std::env::temp_dir().join(format!("mainspring-client-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("socket");
    /// mainspring::run(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let client = Client::builder().connect_unix(&path, async |stream| {
    ///         Ok(service_fn(async move |bytes: &'static [u8]| stream.write_all(bytes).await))
    ///     })?;
    ///     client.call(b"hello").await?;
    ///     let (server, _peer) = listener.accept().await?;
    ///     assert_eq!(server.read(&mut [0; 16]).await?, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn connect_unix<S, F>(self, path: impl AsRef<Path>, make: F) -> io::Result<Client<S, C>>
    where
        F: AsyncFn(UnixStream) -> io::Result<S> + 'static,
        S: 'static,
        C: Clone + 'static,
    {
        let path = path.as_ref();
        let from_root = path::absolute(path)
            .and_then(|from_root| SocketAddr::from_pathname(&from_root).map(|_fits| from_root))
            .map_err(|error| in_words(format!("cannot connect to {}", path.display()), error))?;
        let endpoints = Endpoints::new();
        let target = Target::Unix(from_root, Rc::new(make));
        endpoints.insert(None, self.endpoint(target, Rc::new(Cell::new(true))));
        Ok(self.client(endpoints, None))
    }
}
