//! The announcement example: it shows what it says, and ends by itself.
#![forbid(unsafe_code)]
#[allow(dead_code)]
mod util {
    pub(crate) mod program;
}

use util::program::example;

#[test]
fn it_shows_each_step_in_order_and_ends_without_a_complaint() {
    let output = example("announcement").output().unwrap();
    let steps = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "after\n{steps}");
    assert!(output.status.success(), "{}", output.status);
    let expected = [
        ("1. the listener's tick accepts 127.0.0.1:", ""),
        ("2. in time:", "\"0 hello\" is answered \"hello\" after"),
        ("3. the server's timeout:", "\"60000 too long\" is answered \"error: the deadline has elapsed\" after"),
        ("4. the client's timeout:", "\"1500 too late\" fails after"),
        ("5. still in order:", "\"0 hello again\" is answered \"hello again\" after"),
        ("6. an error is answered:", "\"soon\" is answered \"error: \\\"soon\\\" is not MILLISECONDS TEXT\" after"),
        ("7. the connection has ended in good order", ""),
    ];
    assert_eq!(steps.lines().count(), expected.len(), "{steps}");
    for (line, (start, rest)) in steps.lines().zip(expected) {
        assert!(line.starts_with(start) && line.contains(rest), "{line:?} is not {start:?} and {rest:?}");
    }
}
