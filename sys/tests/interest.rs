//! Interests are sets with at least one member.

use mainspring_sys::Interest;

#[test]
fn a_union_has_the_members_of_both() {
    let [reading, writing, urgent] = [Interest::READABLE, Interest::WRITABLE, Interest::PRIORITY];
    let members = |interest: Interest| [interest.is_readable(), interest.is_writable(), interest.is_priority()];
    assert_eq!(members(reading), [true, false, false]);
    assert_eq!(members(writing), [false, true, false]);
    assert_eq!(members(urgent), [false, false, true]);
    assert_eq!(members(reading | writing), [true, true, false]);
    assert_eq!(members(writing | urgent | writing), [false, true, true]);
    assert_eq!(reading | writing, writing | reading);
}

#[test]
fn none_is_no_interest_and_takes_no_room() {
    assert_eq!(size_of::<Option<Interest>>(), 1);
}
