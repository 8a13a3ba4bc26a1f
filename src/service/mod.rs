//! The one trait of clients, servers and middleware. (Stand-in, same interface.)

/// Answers requests.
pub trait Service<Request> {
    /// What a request is answered with.
    type Response;
    /// What can go wrong.
    type Error;

    /// Answers one request.
    fn call(&self, request: Request) -> impl Future<Output = Result<Self::Response, Self::Error>>;

    /// Whether a call would be taken at once.
    fn status(&self) -> Status {
        Status::Open
    }
}

/// What a service says about its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is taken at once.
    Open,
    /// It waits.
    Busy,
    /// It fails.
    Closed,
}
