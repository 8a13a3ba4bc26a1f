//! The status codes that this service answers with (RFC 9110, section 15).

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 100: the body may be sent.
    Continue,
    /// 200.
    Ok,
    /// 400: not HTTP, or with more than one reading.
    BadRequest,
    /// 404: no such path.
    NotFound,
    /// 405: the path is there, and has another method.
    MethodNotAllowed,
    /// 408: the rest of the request did not come in time.
    RequestTimeout,
    /// 411: a method with a body, and no length.
    LengthRequired,
    /// 413: a body beyond the limit.
    ContentTooLarge,
    /// 414: a request target beyond the limit.
    UriTooLong,
    /// 417: an `Expect` that nobody can meet.
    ExpectationFailed,
    /// 431: a head beyond the limit.
    HeaderFieldsTooLarge,
    /// 501: a method or a transfer coding that this server does not know.
    NotImplemented,
    /// 502: who was asked for the answer has given none.
    BadGateway,
    /// 503: too much to do, or nobody to do it.
    ServiceUnavailable,
    /// 504: the service did not answer in time.
    GatewayTimeout,
    /// 505: another version of HTTP.
    VersionNotSupported,
}

impl Status {
    /// The code and the reason, as the status line and the bodies of errors have them.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Continue => "100 Continue",
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::LengthRequired => "411 Length Required",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::UriTooLong => "414 URI Too Long",
            Self::ExpectationFailed => "417 Expectation Failed",
            Self::HeaderFieldsTooLarge => "431 Request Header Fields Too Large",
            Self::NotImplemented => "501 Not Implemented",
            Self::BadGateway => "502 Bad Gateway",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::GatewayTimeout => "504 Gateway Timeout",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}
