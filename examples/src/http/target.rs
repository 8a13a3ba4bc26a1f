//! The target of a request: path and query (RFC 9112, section 3.2).

use super::{Method, Status, host, limits};

/// The authority of a target that has one.
pub(super) fn authority(target: &str) -> Option<&str> {
    let (_scheme, rest) = target.split_once("://").filter(|_| !target.starts_with('/'))?;
    rest.split(['/', '?']).next()
}

/// Takes the path, with its query, out of a target: `/path`, `http://host/path`, or `*` for `OPTIONS`.
#[inline]
pub(super) fn path(target: &str, method: Method) -> Result<&str, Status> {
    if target.len() > limits::TARGET {
        return Err(Status::UriTooLong);
    }
    // A fragment is never sent, and what is not ASCII has to be escaped.
    if !target.is_ascii() || target.contains('#') {
        return Err(Status::BadRequest);
    }
    if target.starts_with('/') || (target == "*" && method == Method::Options) {
        return Ok(target);
    }
    let (scheme, rest) = target.split_once("://").ok_or(Status::BadRequest)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Status::BadRequest);
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() || !host::is_valid(authority.as_bytes()) {
        return Err(Status::BadRequest);
    }
    match rest.strip_prefix(authority) {
        Some(path) if path.starts_with('/') => Ok(path),
        Some("") => Ok("/"),
        // A query without a path; nobody sends it.
        _ => Err(Status::BadRequest),
    }
}
