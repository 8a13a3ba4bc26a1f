//! Wakers that use the channel again, and wakers that panic, when they are cloned, woken or dropped.
//!
//! Each wait of both channels is begun with such a waker and ended in each way. A channel that called it with its lock
//! held would not return, so the tests would not end; one that broke would fail the exchange at the end.
mod util;

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use mainspring::channel::{OneThread, Reach, local, mpsc, oneshot};

use util::counting_waker::CountingWaker;
use util::hook_waker::{Event, hook_waker};

const EVENTS: [Event; 3] = [Event::Clone, Event::Wake, Event::Drop];

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Runs `scenario` with a waker that calls `hook` on each kind of event in turn; a panic of the hook is swallowed.
fn with_each_event(hook: impl Fn() + Send + Sync + Clone + 'static, mut scenario: impl FnMut(&Waker)) {
    for event in EVENTS {
        let hook = hook.clone();
        let waker = hook_waker(move |happened| {
            if happened == event {
                hook();
            }
        });
        let _ = catch_unwind(AssertUnwindSafe(|| scenario(&waker)));
        // Why forgotten? Its drop is an event of the test itself, outside any operation.
        std::mem::forget(waker);
    }
}

/// Panics, unless the thread does already: a second panic while it unwinds would end the process.
fn panic_once() {
    assert!(std::thread::panicking(), "from the waker");
}

/// Begins every wait of a queue with `waker`, replaces it, and ends the waits by values, by cancelling and by closing.
fn exercise_queue<R: Reach>(sender: &mpsc::Sender<u32, R>, receiver: &Mutex<mpsc::Receiver<u32, R>>, waker: &Waker) {
    let survive = |step: &mut dyn FnMut()| {
        let _ = catch_unwind(AssertUnwindSafe(step));
    };
    survive(&mut || {
        let mut receiver = receiver.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut receiving = pin!(receiver.recv());
        let _ = poll(receiving.as_mut(), waker);
        let _ = poll(receiving.as_mut(), Waker::noop());
        let _ = poll(receiving.as_mut(), waker);
        let _ = sender.try_send(1);
    });
    survive(&mut || {
        let _ = sender.try_send(1);
        let mut first = pin!(sender.send(2));
        let mut second = pin!(sender.send(3));
        let mut closed = pin!(sender.closed());
        let _ = poll(first.as_mut(), waker);
        let _ = poll(second.as_mut(), waker);
        let _ = poll(second.as_mut(), Waker::noop());
        let _ = poll(second.as_mut(), waker);
        let _ = poll(closed.as_mut(), waker);
        let mut receiver = receiver.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _ = receiver.try_recv();
    });
    let mut receiver = receiver.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    while let Ok(Some(_)) = receiver.try_recv() {}
}

/// Uses the queue in each way that a sender has.
fn send_in_each_way<R: Reach>(sender: &mpsc::Sender<u32, R>) {
    let _ = sender.try_send(9);
    let _ = sender.len();
    let _ = poll(pin!(sender.send(9)), Waker::noop());
    let _ = poll(pin!(sender.closed()), Waker::noop());
    drop(sender.clone());
}

#[test]
fn a_waker_may_use_the_queue_of_its_thread_when_it_is_cloned_woken_or_dropped() {
    thread_local! {
        static SENDER: RefCell<Option<local::mpsc::Sender<u32>>> = const { RefCell::new(None) };
    }
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    static USED: AtomicUsize = AtomicUsize::new(0);
    let (sender, receiver) = local::mpsc::bounded::<u32>(1);
    SENDER.set(Some(sender.clone()));
    let receiver = Mutex::new(receiver);
    let hook = || {
        CALLED.fetch_add(1, Ordering::Relaxed);
        SENDER.with_borrow(|sender| send_in_each_way(sender.as_ref().unwrap()));
        USED.fetch_add(1, Ordering::Relaxed);
    };
    with_each_event(hook, |waker| exercise_queue(&sender, &receiver, waker));
    // A queue that was borrowed at that time would have panicked in between.
    let (called, used) = (CALLED.load(Ordering::Relaxed), USED.load(Ordering::Relaxed));
    assert!(called > 0 && used == called, "{used} of {called}");
    let mut receiver = receiver.into_inner().unwrap();
    sender.try_send(7).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Some(7)));
}

#[test]
fn a_waker_may_use_the_queue_when_it_is_cloned_woken_or_dropped() {
    let (sender, receiver) = mpsc::bounded::<u32>(1);
    let receiver = Arc::new(Mutex::new(receiver));
    let hook = {
        let sender = sender.clone();
        move || send_in_each_way(&sender)
    };
    with_each_event(hook, |waker| exercise_queue(&sender, &receiver, waker));
    let mut receiver = receiver.lock().unwrap();
    sender.try_send(7).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Some(7)));
}

#[test]
fn a_queue_stays_usable_after_a_waker_has_panicked() {
    let (sender, receiver) = mpsc::bounded::<u32>(1);
    let receiver = Mutex::new(receiver);
    with_each_event(panic_once, |waker| exercise_queue(&sender, &receiver, waker));
    let mut receiver = receiver.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    while let Ok(Some(_)) = receiver.try_recv() {}
    sender.try_send(7).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Some(7)));
    let counting = CountingWaker::new();
    let mut receiving = pin!(receiver.recv());
    assert!(counting.poll(&mut receiving).is_pending());
    sender.try_send(8).unwrap();
    assert_eq!(counting.woken(), 1);
}

#[test]
fn a_waker_that_panics_when_the_queue_closes_keeps_nobody_else_from_being_woken() {
    let (sender, receiver) = mpsc::bounded::<Arc<()>>(1);
    let value = Arc::new(());
    sender.try_send(Arc::clone(&value)).unwrap();
    let panicking = hook_waker(|event| assert_ne!(event, Event::Wake, "from the waker"));
    let counting = CountingWaker::new();
    let mut first = pin!(sender.send(Arc::new(())));
    let mut second = pin!(sender.send(Arc::new(())));
    let mut closed = pin!(sender.closed());
    assert!(poll(first.as_mut(), &panicking).is_pending());
    assert!(counting.poll(&mut second).is_pending());
    assert!(counting.poll(&mut closed).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(counting.woken(), 2);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(sender.is_closed());
}

/// The two ends of a oneshot, until they are used up.
type Ends<R> = (Mutex<Option<oneshot::Sender<u32, R>>>, Mutex<Option<oneshot::Receiver<u32, R>>>);

/// In how many ways [`exercise_oneshot`] ends.
const WAYS: usize = 4;

fn ends<R: Reach>((sender, receiver): (oneshot::Sender<u32, R>, oneshot::Receiver<u32, R>)) -> Ends<R> {
    (Mutex::new(Some(sender)), Mutex::new(Some(receiver)))
}

/// Uses whichever end is not in use at the moment.
fn use_a_free_end<R: Reach>(ends: &Ends<R>) {
    if let Ok(mut sender) = ends.0.try_lock() {
        if let Some(sender) = sender.as_mut() {
            let _ = sender.is_closed();
            let _ = sender.poll_closed(&mut Context::from_waker(Waker::noop()));
        }
    }
    if let Ok(mut receiver) = ends.1.try_lock() {
        let _ = receiver.as_mut().map(oneshot::Receiver::try_recv);
    }
}

/// Begins both waits of a oneshot with `waker`, replaces it, and ends them in one of the ways.
fn exercise_oneshot<R: Reach>(ends: &Ends<R>, waker: &Waker, way: usize) {
    let mut cx = Context::from_waker(waker);
    if let Some(receiver) = ends.1.lock().unwrap().as_mut() {
        let _ = Pin::new(&mut *receiver).poll(&mut cx);
        let _ = Pin::new(&mut *receiver).poll(&mut Context::from_waker(Waker::noop()));
        let _ = Pin::new(receiver).poll(&mut cx);
    }
    let sender = ends.0.lock().unwrap().take();
    let sender = sender.map(|mut sender| {
        let _ = sender.poll_closed(&mut cx);
        sender
    });
    match way {
        0 => assert!(sender.is_some_and(|sender| sender.send(1).is_ok())),
        1 => drop(sender),
        2 => ends.1.lock().unwrap().as_mut().into_iter().for_each(oneshot::Receiver::close),
        _ => drop(ends.1.lock().unwrap().take()),
    }
}

#[test]
fn a_waker_may_use_the_oneshot_when_it_is_cloned_woken_or_dropped() {
    for event in EVENTS {
        for way in 0..WAYS {
            let ends = Arc::new(ends(oneshot::channel()));
            let hook = Arc::clone(&ends);
            let waker = hook_waker(move |happened| {
                if happened == event {
                    use_a_free_end(&hook);
                }
            });
            exercise_oneshot(&ends, &waker, way);
        }
    }
}

#[test]
fn a_waker_may_use_the_oneshot_of_its_thread_when_it_is_cloned_woken_or_dropped() {
    thread_local! {
        static ENDS: RefCell<Option<Rc<Ends<OneThread>>>> = const { RefCell::new(None) };
    }
    static USED: [AtomicUsize; EVENTS.len()] = [const { AtomicUsize::new(0) }; EVENTS.len()];
    for (used, event) in USED.iter().zip(EVENTS) {
        for way in 0..WAYS {
            let ends = Rc::new(ends(local::oneshot::channel()));
            ENDS.set(Some(Rc::clone(&ends)));
            let waker = hook_waker(move |happened| {
                let ends = ENDS.with_borrow(Option::clone);
                if let Some(ends) = ends.filter(|_| happened == event) {
                    // Would panic if the oneshot were borrowed.
                    use_a_free_end(&ends);
                    used.fetch_add(1, Ordering::Relaxed);
                }
            });
            exercise_oneshot(&ends, &waker, way);
        }
    }
    assert!(USED.iter().all(|used| used.load(Ordering::Relaxed) > 0), "{USED:?}");
}

#[test]
fn a_oneshot_delivers_its_value_although_the_waker_panics() {
    for event in EVENTS {
        let (sender, mut receiver) = oneshot::channel::<u32>();
        let waker = hook_waker(move |happened| {
            if happened == event {
                panic_once();
            }
        });
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _ = Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker));
        }));
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _ = Pin::new(&mut receiver).poll(&mut Context::from_waker(Waker::noop()));
        }));
        let _ = catch_unwind(AssertUnwindSafe(|| sender.send(4)));
        assert_eq!(receiver.try_recv(), Ok(Some(4)), "{event:?}");
        std::mem::forget(waker);
    }
}

#[test]
fn an_end_that_is_dropped_by_a_panic_contains_the_panic_of_the_waker_that_it_wakes() {
    let panicking = || hook_waker(|event| assert_ne!(event, Event::Wake, "from the waker"));
    let unwind = |ends: Box<dyn std::any::Any>| {
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _ends = ends;
            panic!("the first");
        }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the first"));
    };

    let (sender, mut receiver) = oneshot::channel::<u32>();
    assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&panicking())).is_pending());
    unwind(Box::new(sender));

    let (mut sender, receiver) = oneshot::channel::<u32>();
    assert!(sender.poll_closed(&mut Context::from_waker(&panicking())).is_pending());
    unwind(Box::new(receiver));

    let (sender, mut receiver) = mpsc::bounded::<u32>(1);
    let mut receiving = pin!(receiver.recv());
    assert!(poll(receiving.as_mut(), &panicking()).is_pending());
    unwind(Box::new(sender));

    let (sender, receiver) = mpsc::bounded::<u32>(1);
    sender.try_send(1).unwrap();
    let mut sending = [pin!(sender.send(2)), pin!(sender.send(3))];
    for sending in &mut sending {
        assert!(poll(sending.as_mut(), &panicking()).is_pending());
    }
    unwind(Box::new(receiver));
}
