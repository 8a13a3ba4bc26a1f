//! Children where the system has no descriptors of processes, or a sandbox forbids them.
//!
//! `--cfg mainspring_faults`.
#![cfg(mainspring_faults)]
mod util;

use std::process::{Command, Stdio};

use mainspring::process;
use mainspring::spawn;
use mainspring_sys::faults::{Call, Fault, Plan};
use util::runtime::*;

/// More than there are subscriptions to signals: they share one.
const CHILDREN: u64 = 80;

#[test]
fn children_without_descriptors_are_heard_of_by_the_signal() {
    in_child("children_without_descriptors_are_heard_of_by_the_signal", || {
        for code in [libc::ENOSYS, libc::EPERM, libc::EMFILE] {
            let plan = Plan::new([Fault::fail(Call::ProcessDescriptor, code).times(CHILDREN)]);
            run(async {
                let mut waiting = Vec::new();
                let mut inputs = Vec::new();
                for _ in 0..CHILDREN {
                    let mut child = process::spawn(Command::new("cat").stdin(Stdio::piped())).unwrap();
                    inputs.push(child.stdin.take());
                    waiting.push(spawn(async move { child.wait().await }));
                }
                turns(2).await;
                // The inputs, and one that all share.
                assert_eq!((stats().sources, stats().waits), (CHILDREN as usize + 1, CHILDREN as usize));
                drop(inputs);
                for waiting in waiting {
                    assert!(waiting.await.unwrap().unwrap().success());
                }
                assert_eq!((stats().sources, stats().waits), (0, 0));
            });
            assert_eq!(plan.hits(), [CHILDREN]);
        }
    });
}
