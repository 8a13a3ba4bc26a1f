//! The announcement of August 2016, in today's API: a task that is ticked, and one timeout for clients and servers.
//!
//! ```text
//! cargo run --release --example announcement
//! ```
//!
//! It runs a server and its clients on a free port of 127.0.0.1, prints what it shows, and ends. The protocol has a
//! line for each request, `MILLISECONDS TEXT`, and a line for each answer: the text, after that time.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use mainspring::codec::{Framed, Lines};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::proto::pipeline;
use mainspring::service::{Filter, Service, ServiceExt, service_fn};
use mainspring::tick::{Task, Tick, schedule};
use mainspring::time::{Elapsed, Instant, sleep, timeout};

/// How long the server gives a request.
const SERVER: Duration = Duration::from_secs(2);

/// How long the client in a hurry waits for an answer: long enough for one that comes at once, on a busy machine too.
const CLIENT: Duration = Duration::from_secs(1);

/// 1. A task. It tries what there is to try, and registers nothing: what said "not yet" is what it waits for.
struct Listener<S> {
    socket: TcpListener,
    service: Rc<S>,
}

impl<S> Task for Listener<S>
where
    S: Service<String, Response = String, Error = io::Error> + 'static,
{
    fn tick(&mut self) -> io::Result<Tick> {
        // As long as there are connections to accept, accept and serve them.
        while let Some((stream, peer)) = self.socket.try_accept()? {
            println!("1. the listener's tick accepts {peer}");
            let service = self.service.clone();
            mainspring::spawn(async move { pipeline::serve(Framed::new(stream, Lines::new()), &*service).await });
        }
        Ok(Tick::WouldBlock)
    }
}

/// 2. Middleware, written once. It knows neither the protocol nor the side that it is used on.
struct Timeout(Duration);

impl<Request, S> Filter<Request, S> for Timeout
where
    S: Service<Request>,
    S::Error: From<Elapsed>,
{
    type Inner = Request;
    type Response = S::Response;
    type Error = S::Error;

    async fn apply(&self, request: Request, next: &S) -> Result<S::Response, S::Error> {
        timeout(self.0, next.call(request)).await?
    }
}

/// The server's service: answers the text, when the time has passed.
async fn answer(line: String) -> io::Result<String> {
    let (wait, text) = line.split_once(' ').ok_or_else(|| bad_request(&line))?;
    let wait = wait.parse().map_err(|_| bad_request(&line))?;
    sleep(Duration::from_millis(wait)).await;
    Ok(text.to_owned())
}

fn bad_request(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{line:?} is not MILLISECONDS TEXT"))
}

/// Outermost on the server: an error is an answer as well, so that the connection goes on.
struct Explain;

impl<S: Service<String, Response = String, Error = io::Error>> Filter<String, S> for Explain {
    type Inner = String;
    type Response = String;
    type Error = io::Error;

    async fn apply(&self, line: String, next: &S) -> io::Result<String> {
        Ok(next.call(line).await.unwrap_or_else(|error| format!("error: {error}")))
    }
}

async fn announce() -> io::Result<()> {
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;

    // The timeout around the service of a server.
    let service = service_fn(answer).filter(Timeout(SERVER)).filter(Explain);
    let listener = schedule(Listener { socket, service: Rc::new(service) });

    // The same timeout around a client, and the one that comes with the crate around another. Both share a connection.
    let stream = TcpStream::connect(address).await?;
    let (client, connection) = pipeline::connect(Framed::new(stream, Lines::new()));
    let connection = mainspring::spawn(connection);
    let client = service_fn(async move |line: String| client.call(line).await.map_err(io::Error::other));
    let hasty = (&client).filter(Timeout(CLIENT));
    let patient = (&client).timeout(Duration::from_secs(30));

    ask("2. in time:              ", &hasty, "0 hello").await;
    ask("3. the server's timeout: ", &patient, "60000 too long").await;
    ask("4. the client's timeout: ", &hasty, "1500 too late").await;
    // The answer to 4 comes while this call waits, and is thrown away in its turn.
    ask("5. still in order:       ", &patient, "0 hello again").await;
    ask("6. an error is answered: ", &patient, "soon").await;

    // The last client is gone, and so the connection ends; the listener would wait for ever.
    drop(client);
    connection.await?.map_err(io::Error::other)?;
    listener.abort();
    println!("7. the connection has ended in good order");
    Ok(())
}

/// Calls, and prints what came of it and when.
async fn ask<S>(what: &str, service: &S, line: &str)
where
    S: Service<String, Response = String, Error = io::Error>,
{
    let start = Instant::now();
    let answer = service.call(line.to_owned()).await;
    let elapsed = start.elapsed().as_millis();
    match answer {
        Ok(answer) => println!("{what}{line:?} is answered {answer:?} after {elapsed} ms"),
        Err(error) => println!("{what}{line:?} fails after {elapsed} ms: {error}"),
    }
}

fn main() -> ExitCode {
    match mainspring::run(announce()).and_then(|announced| announced) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("announcement: {error}");
            ExitCode::FAILURE
        }
    }
}
