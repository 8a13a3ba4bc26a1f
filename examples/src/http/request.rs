//! A request as the service sees it.

use super::Method;

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked to be done.
    pub method: Method,
    /// The path, and behind a `?` the query, as they were sent.
    pub target: String,
    /// What the body is, if the request says so.
    pub content_type: Option<String>,
    /// Whether it asks for HTML by name, as browsers do.
    pub accepts_html: bool,
    /// The body; empty without one.
    pub body: Vec<u8>,
}

impl Request {
    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of the first parameter of this name in the query, as it was sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}
