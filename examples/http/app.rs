//! The application: what each path answers.

use std::time::Duration;

use examples::http::{Method, NotServed, Request, Response, Status};
use mainspring::Stats;
use mainspring::service::Service;
use mainspring::time::sleep;

/// What `/` answers.
const PAGE: &str = "<!DOCTYPE html>
<html lang=\"en\">
<title>Mainspring</title>
<h1>Hello from Mainspring</h1>
<ul>
<li><a href=\"/plaintext\">/plaintext</a>: 'Hello, World!'
<li>POST /echo: the body, back again
<li><a href=\"/slow?ms=1000\">/slow?ms=1000</a>: an answer after so many milliseconds
<li><a href=\"/stats\">/stats</a>: what the reactor has done, as JSON
</ul>
</html>
";

/// The routes.
pub(crate) struct App {
    /// Whether every path answers as `/plaintext`.
    plaintext: bool,
}

impl App {
    pub(crate) const fn new(plaintext: bool) -> Self {
        Self { plaintext }
    }
}

impl Service<Request> for App {
    type Response = Response;
    /// Only those of the filters around it: the application itself answers everything.
    type Error = NotServed;

    async fn call(&self, request: Request) -> Result<Response, NotServed> {
        if self.plaintext {
            return Ok(Response::text("Hello, World!"));
        }
        let is_read = matches!(request.method, Method::Get | Method::Head);
        Ok(match request.path() {
            "/" | "/plaintext" | "/slow" | "/stats" if !is_read => Response::method_not_allowed("GET, HEAD"),
            "/echo" if request.method != Method::Post => Response::method_not_allowed("POST"),
            "/" => Response::ok("text/html", PAGE.as_bytes()),
            "/plaintext" => Response::text("Hello, World!"),
            "/slow" => slow(&request).await,
            "/stats" => stats(),
            "/echo" => {
                Response::ok(request.content_type.unwrap_or_else(|| "application/octet-stream".into()), request.body)
            }
            _ => Response::of(Status::NotFound),
        })
    }
}

/// Answers after as many milliseconds as `ms` says.
async fn slow(request: &Request) -> Response {
    match request.parameter("ms").and_then(|ms| ms.parse().ok()) {
        Some(ms) => {
            sleep(Duration::from_millis(ms)).await;
            Response::text("at last\n")
        }
        None => Response::of(Status::BadRequest),
    }
}

/// What the reactor of this thread has done.
fn stats() -> Response {
    let fields = Stats::current().unwrap_or_default().fields();
    Response::ok("application/json", serde_json::Value::from_iter(fields).to_string().into_bytes())
}
