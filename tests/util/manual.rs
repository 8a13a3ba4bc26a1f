//! A service whose answers are in the hands of the test.
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use futures::channel::oneshot;
use mainspring::service::Service;

use super::message::Message;

/// Answers when the test says so. Calls go by the body of the request.
pub(crate) struct Manual<M>(pub(crate) Rc<RefCell<Calls<M>>>);

pub(crate) struct Calls<M> {
    pub(crate) running: HashMap<u32, oneshot::Sender<io::Result<M>>>,
    started: Vec<u32>,
    pub(crate) polls: usize,
}

impl<M> Clone for Manual<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<const LAST: u64, const RICH: bool> Manual<Message<LAST, RICH>> {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(Calls { running: HashMap::new(), started: Vec::new(), polls: 0 })))
    }

    /// Ends the call with a body ten larger than that of its request, or an error.
    pub(crate) fn answer(&self, body: u32) {
        self.end(body, Ok(Message::request(body + 10)));
    }

    pub(crate) fn end(&self, body: u32, answer: io::Result<Message<LAST, RICH>>) {
        let call = self.0.borrow_mut().running.remove(&body).expect("the call runs");
        call.send(answer).expect("the call was not dropped");
    }

    pub(crate) fn started(&self) -> Vec<u32> {
        self.0.borrow().started.clone()
    }

    pub(crate) fn is_dropped(&self, body: u32) -> bool {
        self.0.borrow().running[&body].is_canceled()
    }
}

impl<const LAST: u64, const RICH: bool> Service<Message<LAST, RICH>> for Manual<Message<LAST, RICH>> {
    type Response = Message<LAST, RICH>;
    type Error = io::Error;

    async fn call(&self, request: Message<LAST, RICH>) -> io::Result<Message<LAST, RICH>> {
        let (sender, mut receiver) = oneshot::channel();
        {
            let mut calls = self.0.borrow_mut();
            calls.running.insert(request.body, sender);
            calls.started.push(request.body);
        }
        poll_fn(|cx| {
            self.0.borrow_mut().polls += 1;
            Future::poll(Pin::new(&mut receiver), cx)
        })
        .await
        .expect("the test answers")
    }
}
