//! The application: what each path answers.

use std::time::Duration;

use examples::http::{Method, NotServed, Request, Response, Status};
use mainspring::service::Service;
use mainspring::time::sleep;

use super::figures;

/// What `/` answers to a browser: it shows what `/events` sends. It asks for nothing else, from here or elsewhere.
const DASHBOARD: &str = include_str!("dashboard.html");

/// What `/` answers to all others.
const HELLO: &str = "Hello from Mainspring

GET  /           this, or in a browser a live view of the reactor
GET  /plaintext  'Hello, World!'
POST /echo       the body, back again
GET  /slow?ms=1000
                 an answer after so many milliseconds
GET  /stats      what the reactor has done, as JSON
GET  /events     the same and more, twice a second, as server-sent events
";

/// The routes.
pub(crate) struct App;

impl Service<Request> for App {
    type Response = Response;
    /// Only those of the filters around it: the application itself answers everything.
    type Error = NotServed;

    async fn call(&self, request: Request) -> Result<Response, NotServed> {
        let is_read = matches!(request.method, Method::Get | Method::Head);
        Ok(match request.path() {
            "/" | "/plaintext" | "/slow" | "/stats" | "/events" if !is_read => {
                Response::method_not_allowed("GET, HEAD")
            }
            "/echo" if request.method != Method::Post => Response::method_not_allowed("POST"),
            "/" => match request.accepts_html {
                true => Response::ok("text/html; charset=utf-8", DASHBOARD.as_bytes()),
                false => Response::text(HELLO),
            }
            .with_field("Vary", "Accept"),
            "/plaintext" => Response::text("Hello, World!"),
            "/slow" => slow(&request).await,
            "/stats" => Response::ok("application/json", figures::stats().to_string().into_bytes()),
            "/events" => Response::open("text/event-stream"),
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
