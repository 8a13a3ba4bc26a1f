//! A waker that runs code of the test when it is cloned, woken or dropped.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What happened to the waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Clone,
    Wake,
    Drop,
}

struct Hook {
    run: Box<dyn Fn(Event) + Send + Sync>,
    /// Set while the hook runs, so that what it does to the waker does not run it again.
    depth: AtomicUsize,
}

impl Hook {
    fn run(&self, event: Event) {
        struct Leave<'a>(&'a AtomicUsize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let depth = self.depth.fetch_add(1, Ordering::SeqCst);
        let _leave = Leave(&self.depth);
        if depth == 0 {
            (self.run)(event);
        }
    }
}

/// A waker that calls `run`. It is never freed, so no event can come too late.
pub(crate) fn hook_waker(run: impl Fn(Event) + Send + Sync + 'static) -> Waker {
    let hook: &'static Hook = Box::leak(Box::new(Hook { run: Box::new(run), depth: AtomicUsize::new(0) }));
    // SAFETY: the table's functions take the data for the `&'static Hook` that it is.
    unsafe { Waker::new(std::ptr::from_ref(hook).cast(), &VTABLE) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        hook(data).run(Event::Clone);
        RawWaker::new(data, &VTABLE)
    },
    |data| {
        hook(data).run(Event::Wake);
    },
    |data| hook(data).run(Event::Wake),
    |data| hook(data).run(Event::Drop),
);

fn hook(data: *const ()) -> &'static Hook {
    // SAFETY: `hook_waker` makes each such pointer from a leaked `Hook`.
    unsafe { &*data.cast::<Hook>() }
}
