//! Timers: never early, by the system's clock and by virtual ones.
mod util;

use futures::StreamExt;
use mainspring::time::{Clock, Instant, Interval, MissedTicks, Sleep};
use mainspring::time::{interval, interval_at, sleep, sleep_until, timeout};
use mainspring::{Reactor, spawn, yield_now};
use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use util::runtime::*;

const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What the wheel may be late by.
const TICK: Duration = Duration::from_micros(33);

fn is_ready<F: Future + Unpin>(future: &mut F) -> bool {
    poll_with(Pin::new(future), Waker::noop()).is_ready()
}

#[test]
fn a_sleep_is_never_early() {
    run(async {
        let mut random = Random::new();
        let mut sleeps = Vec::new();
        for count in 0..2_000 {
            let duration = match count {
                0..200 => MICROSECOND * (count + 1),
                _ => MICROSECOND * (1 + random.below(20_000) as u32),
            };
            sleeps.push(spawn(async move {
                let start = std::time::Instant::now();
                match count % 3 {
                    0 => sleep(duration).await,
                    1 => sleep_until(Instant::now() + duration).await,
                    _ => assert!(timeout(duration, pending::<()>()).await.is_err()),
                }
                assert!(start.elapsed() >= duration, "{:?} instead of {duration:?}", start.elapsed());
            }));
            if count % 16 == 0 {
                yield_now().await;
            }
        }
        for sleep in sleeps {
            sleep.await.unwrap();
        }
    });
}

#[test]
fn with_slack_sleeps_end_together_and_none_early() {
    let reactor = Reactor::builder().timer_slack(SECOND / 4).build().unwrap();
    let start = Instant::now();
    reactor
        .block_on(async {
            let sleep_for = |count: u32| async move {
                let deadline = start + MILLISECOND * count;
                sleep_until(deadline).await;
                assert!(Instant::now() >= deadline, "the sleep of {count} ms was early");
            };
            let sleeps: Vec<_> = (1..=50).map(|count| spawn(sleep_for(count))).collect();
            for sleep in sleeps {
                sleep.await.unwrap();
            }
        })
        .unwrap();
    // The first wait is for all of them; without slack there are some 50.
    let selects = reactor.stats().selects;
    assert!(selects <= 3, "{selects} selects");
}

#[test]
fn the_longest_slack_is_a_second_and_a_virtual_clock_has_none() {
    let reactor = Reactor::builder().timer_slack(Duration::MAX).build().unwrap();
    reactor.block_on(sleep(MILLISECOND)).unwrap();

    let reactor = Reactor::builder().clock(Clock::auto()).timer_slack(SECOND).build().unwrap();
    let slept = reactor.block_on(async {
        let start = Instant::now();
        sleep(MILLISECOND).await;
        start.elapsed()
    });
    assert!(slept.unwrap() <= MILLISECOND + TICK);
}

#[test]
fn a_sleep_of_less_than_a_millisecond_is_not_rounded_up_to_one() {
    run(async {
        let mut shortest = SECOND;
        for _ in 0..200 {
            let start = std::time::Instant::now();
            sleep(MICROSECOND * 200).await;
            shortest = shortest.min(start.elapsed());
        }
        assert!(shortest < MICROSECOND * 900, "{shortest:?}");
    });
}

#[test]
fn a_sleep_of_zero_or_until_the_past_is_ready_at_the_first_poll() {
    let (_, stats) = run(async {
        assert!(poll_once(sleep(Duration::ZERO)).is_ready());
        assert!(poll_once(sleep_until(Instant::now())).is_ready());
        assert!(poll_once(sleep_until(Instant::now() - SECOND)).is_ready());
        assert!(poll_once(timeout(Duration::ZERO, pending::<()>())).is_ready());
    });
    assert_eq!(stats.timers_fired, 0);
}

#[test]
fn the_longest_duration_never_ends_and_saturates_everywhere() {
    with_manual_clock(|clock| async move {
        let mut sleeps = [sleep(Duration::MAX), sleep_until(Instant::now() + Duration::MAX)];
        let mut limit = Box::pin(timeout(Duration::MAX, pending::<()>()));
        let mut later = interval_at(Instant::now() + Duration::MAX, Duration::MAX);
        let mut ticks = interval(Duration::MAX);
        assert!(ticks.next().await.is_some());
        for _ in 0..3 {
            for sleep in &mut sleeps {
                assert!(!is_ready(sleep));
            }
            assert!(!is_ready(&mut limit) && !is_ready(&mut later.next()) && !is_ready(&mut ticks.next()));
            clock.advance(100 * 365 * DAY).unwrap();
            turns(2).await;
        }
        sleeps[0].reset(Instant::now());
        sleeps[0].reset(Instant::now() + Duration::MAX);
        assert!(!is_ready(&mut sleeps[0]));
    });
}

#[test]
fn a_clock_does_not_jump_to_the_end_of_time_for_a_timer_that_never_ends() {
    in_virtual_time(async {
        let (start, before) = (Instant::now(), stats());
        let (sender, receiver) = mainspring::channel::oneshot::channel();
        let reactor = std::path::Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap()).join("stat");
        let other = std::thread::spawn(move || {
            // Sent once the reactor is asleep (`S`, proc(5)): it had nothing to do, and has not jumped.
            while !std::fs::read_to_string(&reactor).unwrap().contains(") S ") {
                std::thread::yield_now();
            }
            sender.send(()).unwrap();
        });
        timeout(Duration::MAX, receiver).await.unwrap().unwrap();
        other.join().unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(stats().selects - before.selects < 10, "it slept");
    });
}

#[test]
fn a_year_passes_in_no_time_and_timers_fire_in_their_order() {
    let start = std::time::Instant::now();
    in_virtual_time(async {
        let mut random = Random::new();
        let fired = Rc::new(RefCell::new(Vec::new()));
        let begin = Instant::now();
        let mut durations: Vec<_> = (0..1_000).map(|_| SECOND * random.below(365 * 24 * 3600) as u32).collect();
        // Also around the digits of the wheel, and ties.
        durations
            .extend((0..60).map(|bits| Duration::from_nanos((1 << bits) - 1)).filter(|&duration| duration < 365 * DAY));
        durations.extend([SECOND; 5]);
        let tasks: Vec<_> = durations
            .iter()
            .enumerate()
            .map(|(index, &duration)| {
                let fired = fired.clone();
                spawn(async move {
                    sleep(duration).await;
                    let late = begin.elapsed().checked_sub(duration).expect("a sleep was early");
                    assert!(late <= TICK, "{duration:?} was late by {late:?}");
                    fired.borrow_mut().push((duration, index));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let fired = fired.take();
        assert_eq!(fired.len(), durations.len());
        for pair in fired.windows(2) {
            assert!(pair[0].0 <= pair[1].0 + TICK, "{pair:?}");
            assert!(pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1, "ties fire in the order of their arming");
        }
    });
    assert!(start.elapsed() < 20 * SECOND, "{:?}", start.elapsed());
}

#[test]
fn a_manual_clock_moves_only_when_it_is_told_to() {
    with_manual_clock(|clock| async move {
        let start = Instant::now();
        let mut timer = sleep(HOUR);
        assert!(!is_ready(&mut timer));
        turns(3).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        clock.advance(HOUR - Duration::from_nanos(1)).unwrap();
        turns(3).await;
        assert!(!is_ready(&mut timer), "a nanosecond early");
        clock.advance(TICK).unwrap();
        turns(3).await;
        assert!(is_ready(&mut timer) && timer.is_elapsed());
    });
}

#[test]
fn a_long_gap_fires_everything_once_and_in_order() {
    with_manual_clock(|clock| async move {
        let fired = Rc::new(RefCell::new(Vec::new()));
        // More than fire in one turn of the loop, and two whose slots have equal numbers on different levels.
        for minutes in (0..3_000).rev() {
            let fired = fired.clone();
            drop(spawn(async move {
                sleep(60 * SECOND * minutes).await;
                fired.borrow_mut().push(minutes);
            }));
        }
        turns(20).await;
        clock.advance(30 * DAY).unwrap();
        until(|| fired.borrow().len() == 3_000).await;
        assert!(fired.borrow().iter().copied().eq(0..3_000));
    });
}

#[test]
fn an_earlier_timer_that_is_set_later_fires_first() {
    run(async {
        let long = spawn(sleep(HOUR));
        yield_now().await;
        sleep(MILLISECOND).await;
        assert!(!long.is_finished());
        long.abort();
    });
}

#[test]
fn a_sleep_can_be_reset_to_earlier_and_to_later_and_after_its_end() {
    in_virtual_time(async {
        let start = Instant::now();
        let mut timer = sleep(HOUR);
        timer.reset(start + 2 * HOUR);
        assert!(!is_ready(&mut timer));
        timer.reset(start + SECOND);
        assert_eq!(timer.deadline(), start + SECOND);
        (&mut timer).await;
        assert_eq!(start.elapsed().as_secs(), 1);
        timer.reset(start + HOUR);
        assert!(!timer.is_elapsed());
        assert!(!is_ready(&mut timer));
        timer.reset(start + 3 * HOUR);
        let mut other = sleep(HOUR);
        (&mut other).await;
        assert!(!is_ready(&mut timer), "it was put off");
        timer.await;
        assert_eq!(start.elapsed().as_secs(), 3 * 3600);
        // Reset after it fired and before it was polled.
        let begin = Instant::now();
        let mut timer = sleep(SECOND);
        assert!(!is_ready(&mut timer));
        sleep(2 * SECOND).await;
        timer.reset(begin + HOUR);
        assert!(!is_ready(&mut timer));
        timer.await;
        assert_eq!(begin.elapsed().as_secs(), 3600);
    });
}

#[test]
fn a_sleep_may_be_dropped_while_its_neighbours_fire() {
    in_virtual_time(async {
        // All due at once; the first task that runs drops the timers of the others.
        let timers: Rc<RefCell<Vec<Option<Sleep>>>> = Rc::default();
        for _ in 0..100 {
            timers.borrow_mut().push(Some(sleep(SECOND)));
        }
        let fired = Rc::new(RefCell::new(0));
        let tasks: Vec<_> = (0..100)
            .map(|index| {
                let (timers, fired) = (timers.clone(), fired.clone());
                spawn(poll_fn(move |cx| {
                    let Some(mut timer) = timers.borrow_mut()[index].take() else { return Poll::Ready(()) };
                    if Pin::new(&mut timer).poll(cx).is_pending() {
                        timers.borrow_mut()[index] = Some(timer);
                        return Poll::Pending;
                    }
                    *fired.borrow_mut() += 1;
                    timers.borrow_mut().iter_mut().for_each(|timer| *timer = None);
                    Poll::Ready(())
                }))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((*fired.borrow(), stats().timers), (1, 0));
    });
}

#[test]
fn a_waker_may_drop_a_timer_that_is_due_in_the_same_turn() {
    struct Drops(std::sync::Mutex<Option<std::sync::mpsc::Sender<()>>>);
    impl std::task::Wake for Drops {
        fn wake(self: std::sync::Arc<Self>) {
            VICTIM.with(|victim| drop(victim.borrow_mut().take()));
            drop(self.0.lock().unwrap().take());
        }
    }
    thread_local!(static VICTIM: RefCell<Option<Sleep>> = const { RefCell::new(None) });
    in_virtual_time(async {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut first = sleep(SECOND);
        assert!(poll_with(Pin::new(&mut first), &std::sync::Arc::new(Drops(Some(sender).into())).into()).is_pending());
        let mut second = sleep(SECOND);
        assert!(!is_ready(&mut second));
        VICTIM.set(Some(second));
        sleep(2 * SECOND).await;
        assert!(receiver.recv().is_err(), "the waker was called");
        assert!(is_ready(&mut first));
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn dropped_timers_leave_nothing() {
    run(async {
        for round in 0..100_000_u32 {
            let mut timer = sleep(MICROSECOND * (round % 5_000_000));
            let _ = is_ready(&mut timer);
            if round % 50 == 0 {
                yield_now().await;
            }
        }
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn a_timeout_gives_the_value_or_the_error_of_its_future_or_that_it_elapsed() {
    in_virtual_time(async {
        assert_eq!(timeout(SECOND, async { 5 }).await, Ok(5));
        let late = timeout(SECOND, sleep(2 * SECOND)).await.unwrap_err();
        assert_eq!(std::io::Error::from(late).kind(), std::io::ErrorKind::TimedOut);
        let start = Instant::now();
        assert_eq!(timeout(HOUR, async { (sleep(SECOND).await, Err::<(), _>("inner")).1 }).await, Ok(Err("inner")));
        assert_eq!(start.elapsed().as_secs(), 1);
        // Both at once: the value wins.
        let until = Instant::now() + SECOND;
        let inner = async move { (sleep_until(until).await, 7).1 };
        assert_eq!(timeout(SECOND, inner).await, Ok(7));
        assert_eq!(timeout(Duration::ZERO, async { 8 }).await, Ok(8));
        assert_eq!(stats().timers, 0, "a timeout that is over leaves no timer");
    });
}

#[test]
fn a_timeout_for_each_item_starts_anew_with_each() {
    in_virtual_time(async {
        let (sender, mut receiver) = mainspring::channel::mpsc::unbounded();
        drop(spawn(async move {
            for pause in [3, 4, 4, 9] {
                sleep(pause * SECOND).await;
                let _ = sender.try_send(pause);
            }
        }));
        let mut items = Vec::new();
        while let Ok(item) = timeout(5 * SECOND, receiver.recv()).await {
            items.push(item.unwrap());
        }
        assert_eq!(items, [3, 4, 4]);
    });
}

/// Ticks with a pause of 2.5 periods after the second: in seconds, when each was due and when it came.
async fn ticks_after_a_pause(mut ticks: Interval) -> Vec<(u64, u64)> {
    let start = Instant::now();
    let mut seen = Vec::new();
    for round in 0..6 {
        let due = ticks.tick().await;
        seen.push(((due - start).as_secs(), start.elapsed().as_secs()));
        if round == 1 {
            sleep(25 * SECOND).await;
        }
    }
    seen
}

#[test]
fn an_interval_makes_up_for_missed_ticks_or_delays_or_skips_them() {
    in_virtual_time(async {
        let burst = interval(10 * SECOND).missed_ticks(MissedTicks::Burst);
        let came = ticks_after_a_pause(burst).await;
        assert_eq!(came, [(0, 0), (10, 10), (20, 35), (30, 35), (40, 40), (50, 50)]);
        let delay = interval(10 * SECOND).missed_ticks(MissedTicks::Delay);
        let came = ticks_after_a_pause(delay).await;
        assert_eq!(came, [(0, 0), (10, 10), (20, 35), (45, 45), (55, 55), (65, 65)]);
        let skip = interval(10 * SECOND);
        let came = ticks_after_a_pause(skip).await;
        assert_eq!(came, [(0, 0), (10, 10), (20, 35), (40, 40), (50, 50), (60, 60)]);
    });
}

#[test]
fn an_interval_does_not_drift_and_may_start_later_or_in_the_past() {
    in_virtual_time(async {
        let start = Instant::now();
        let mut ticks = interval_at(start + HOUR, 7 * SECOND);
        for count in 0..1_000 {
            assert_eq!(ticks.tick().await, start + HOUR + 7 * SECOND * count);
        }
        let late = start.elapsed() - HOUR - 999 * 7 * SECOND;
        assert!(late <= TICK, "{late:?}");
        let begin = Instant::now();
        let mut past = interval_at(begin - 5 * SECOND, 10 * SECOND);
        assert_eq!(past.tick().await, begin - 5 * SECOND);
        assert_eq!(begin.elapsed(), Duration::ZERO, "at once");
        assert_eq!(past.next().await, Some(begin + 5 * SECOND));
    });
}

#[test]
#[should_panic = "must be more than zero"]
fn an_interval_of_zero_panics() {
    let _ = interval(Duration::ZERO);
}

#[test]
fn instants_saturate() {
    let now = Instant::now();
    assert!(now + Duration::MAX > now);
    assert_eq!(now + Duration::MAX + Duration::MAX, now + Duration::MAX);
    assert_eq!(now - Duration::MAX - Duration::MAX, now - Duration::MAX);
    assert_eq!(now - (now + SECOND), Duration::ZERO);
    assert_eq!((now + SECOND) - now, SECOND);
}

#[test]
#[should_panic = "outside a reactor"]
fn a_sleep_polled_without_a_reactor_panics_and_says_so() {
    let _ = poll_once(sleep(SECOND));
}
