//! Child processes as descriptors.
#![cfg(not(loom))]

mod util;

use std::process::{Command, Stdio};

use mainspring_sys::{Interest, Mode, process_descriptor};
use util::{KQUEUE, Watch};

#[test]
fn a_descriptor_of_a_child_is_readable_once_the_child_has_ended() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let descriptor = match process_descriptor(&child) {
        Ok(descriptor) => descriptor,
        Err(error) => {
            assert_eq!((KQUEUE, error.kind()), (true, std::io::ErrorKind::Unsupported));
            assert!(child.wait().unwrap().success());
            return;
        }
    };
    let watch = Watch::new(&descriptor, Interest::READABLE, Mode::Edge);
    watch.nothing();
    drop(child.stdin.take());
    watch.next();
    assert!(child.try_wait().unwrap().unwrap().success());
    // Nobody has its number any more.
    assert_eq!(process_descriptor(&child).unwrap_err().raw_os_error(), Some(libc::ESRCH));
}
