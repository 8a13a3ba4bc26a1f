//! How likely a service is to serve a call well now.
//!
//! Reported by [`Service::status`](super::Service::status); read by balancers to choose, by pools to reuse and by
//! health checks to report.
//!
//! It is advice: it reserves nothing, wakes nobody, and is out of date as soon as it is read. Filters combine their own
//! with that of the service inside by [`Status::worst`].
//!
//! The trade-off: three words that every layer can pass on unchanged. A number (load, latency) would be more precise
//! and would mean something else in each layer; the balancer measures that for itself.

/// Whether to send a request to a service.
///
/// Ordered from best to worst. Complete: send, rather not, never again.
///
/// ```
/// use mainspring::service::Status;
///
/// assert!(Status::Open < Status::Busy && Status::Busy < Status::Closed);
/// assert_eq!(Status::default(), Status::Open);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Calls are welcome.
    #[default]
    Open,
    /// Calls are possible but likely to wait or fail; another service is the better choice. It may pass.
    Busy,
    /// Calls fail, and always will: the service can be forgotten.
    Closed,
}

impl Status {
    /// The worse of the two: what a service reports that needs both.
    ///
    /// ```
    /// use mainspring::service::Status;
    ///
    /// assert_eq!(Status::Open.worst(Status::Busy), Status::Busy);
    /// assert_eq!(Status::Closed.worst(Status::Busy), Status::Closed);
    /// ```
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }

    /// The better of the two: what a service reports that needs either.
    ///
    /// ```
    /// use mainspring::service::Status;
    ///
    /// assert_eq!(Status::Closed.best(Status::Busy), Status::Busy);
    /// ```
    #[must_use]
    pub fn best(self, other: Self) -> Self {
        self.min(other)
    }
}
