//! Values that go with a task.
mod util;

use mainspring::task::{JoinSet, Local};
use mainspring::{spawn, yield_now};
use std::cell::RefCell;
use util::runtime::{Alive, EXPECTED, Token, quiet, run};

thread_local! {
    static NAME: Local<&'static str> = const { Local::new() };
    static CELL: Local<RefCell<Vec<u32>>> = const { Local::new() };
    static TOKEN: Local<Token> = const { Local::new() };
}

fn name() -> Option<&'static str> {
    Local::get(&NAME).map(|name| *name)
}

#[test]
fn each_task_finds_its_own_value_in_each_of_its_polls() {
    run(async {
        let mut tasks = JoinSet::new();
        for own in ["first", "second", "third"] {
            tasks.spawn(Local::scope(&NAME, own, async move {
                for _ in 0..10 {
                    assert_eq!(name(), Some(own));
                    yield_now().await;
                }
            }));
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
            assert_eq!(name(), None, "nothing is left between the polls");
        }
    });
}

#[test]
fn scopes_nest_and_a_spawned_task_does_not_inherit() {
    run(Local::scope(&NAME, "outer", async {
        Local::scope(&NAME, "inner", async {
            yield_now().await;
            assert_eq!(name(), Some("inner"));
        })
        .await;
        assert_eq!(name(), Some("outer"));
        assert_eq!(spawn(async { name() }).await.unwrap(), None);
        assert_eq!(name(), Some("outer"));
    }));
}

#[test]
fn a_value_is_taken_out_after_a_panic_and_dropped_with_its_future() {
    quiet();
    run(async {
        let alive = Alive::default();
        let task = spawn(Local::scope(&TOKEN, alive.token(), async { panic!("{EXPECTED}") }));
        assert!(task.await.unwrap_err().is_panic());
        assert!(Local::get(&TOKEN).is_none());
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn a_value_that_can_be_changed_keeps_its_changes_from_poll_to_poll() {
    let (sum, _) = run(Local::scope(&CELL, RefCell::default(), async {
        for number in 0..5 {
            Local::get(&CELL).unwrap().borrow_mut().push(number);
            yield_now().await;
        }
        Local::get(&CELL).unwrap().borrow().iter().sum::<u32>()
    }));
    assert_eq!(sum, 10);
    assert!(Local::get(&CELL).is_none());
}
