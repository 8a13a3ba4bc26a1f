//! An executor inside a task: its own queue, its own wakers, as a library might bring one.
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

type Child = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Queue {
    /// Indices of children that were woken.
    woken: VecDeque<usize>,
    /// The task around the executor.
    parent: Option<Waker>,
}

/// A child's waker.
struct Slot {
    index: usize,
    queue: Arc<Mutex<Queue>>,
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        let mut queue = self.queue.lock().unwrap();
        queue.woken.push_back(self.index);
        let parent = queue.parent.take();
        drop(queue);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

/// Runs its children to their end. It polls as long as any is woken, and so spins when one wakes itself.
pub(crate) struct Executor {
    children: Vec<Option<Child>>,
    queue: Arc<Mutex<Queue>>,
}

impl Executor {
    pub(crate) fn of(children: impl IntoIterator<Item = Child>) -> Self {
        let children: Vec<_> = children.into_iter().map(Some).collect();
        let queue = Queue { woken: (0..children.len()).collect(), parent: None };
        Self { children, queue: Arc::new(Mutex::new(queue)) }
    }
}

impl Future for Executor {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut queue = self.queue.lock().unwrap();
            queue.parent = Some(cx.waker().clone());
            let Some(index) = queue.woken.pop_front() else { break };
            drop(queue);
            let waker = Waker::from(Arc::new(Slot { index, queue: self.queue.clone() }));
            let Some(child) = &mut self.children[index] else { continue };
            if child.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.children[index] = None;
            }
        }
        if self.children.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    }
}
