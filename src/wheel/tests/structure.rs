//! The invariants on the struct, checked from outside.
//!
//! Called by the tests of this module after each step. It visits every slot of every level and every entry, and panics
//! with the slot or entry at which the lists, the bitmaps, the position and the counts disagree. It stands here and not
//! as debug assertions in the wheel, because a check of 576 slots at each operation would change what debug builds are
//! used for: to run the reactor's own tests in reasonable time.

use super::super::{Content, FIRST_ENTRY, LEVELS, SLOT_BITS, SLOTS, TICK, UNLINKED, Wheel};
use super::span;

/// The invariants on the struct: each list is sound, its entries belong to its slot, and its bit tells if it is empty.
pub(super) fn check_structure<T>(wheel: &Wheel<T>) {
    let link_of = |at: u32| wheel.nodes[at as usize];
    let mut linked = 0;
    for slot in 0..LEVELS * SLOTS {
        let (level, digit) = (slot / SLOTS, slot % SLOTS);
        let head = slot as u32;
        let bit = wheel.occupied[level] >> digit & 1 == 1;
        assert_eq!(bit, link_of(head).next != head, "the bit of slot {slot}");
        let earliest = wheel.nodes[slot].time;
        assert!(bit || earliest == u64::MAX, "slot {slot} is empty and remembers an entry");
        let mut at = head;
        loop {
            let next = link_of(at).next;
            assert_eq!(link_of(next).previous, at, "the links of slot {slot}");
            if next == head {
                break;
            }
            linked += 1;
            let shift = level as u32 * SLOT_BITS;
            let above = wheel.position >> shift >> SLOT_BITS;
            let first = (above << SLOT_BITS | digit as u64) << shift;
            let tick = link_of(next).time.div_ceil(TICK);
            assert!(tick < first + span(level), "entry {next} in slot {slot}");
            assert!(first >= wheel.position, "slot {slot} is behind the position");
            assert!((first..first + span(level)).contains(&earliest), "slot {slot} remembers an entry of another");
            // One that was armed for the past was put into the tick of that moment.
            assert!(earliest <= tick.max(wheel.now), "entry {next} is before the earliest of slot {slot}");
            at = next;
        }
    }
    assert_eq!(linked, wheel.armed(), "armed");
    let unlinked = |at: &u32| *at == UNLINKED;
    let behind = &wheel.nodes[FIRST_ENTRY as usize..];
    let idle = behind.iter().filter(|link| unlinked(&link.next) && unlinked(&link.previous)).count();
    assert_eq!(idle + linked, wheel.contents.len(), "places");

    let (mut vacant, mut next) = (0, wheel.vacant);
    while let Some(content) = wheel.contents.get((next - FIRST_ENTRY) as usize) {
        let Content::Vacant(after) = *content else { panic!("place {next} has an entry, and is to be given away") };
        assert_eq!(link_of(next).next, UNLINKED, "place {next} has no entry, and is in a list");
        (vacant, next) = (vacant + 1, after);
        assert!(vacant <= wheel.contents.len(), "the places without an entry go round");
    }
    assert_eq!((next - FIRST_ENTRY) as usize, wheel.contents.len(), "the end of the places to be given away");
    assert_eq!(vacant + wheel.len(), wheel.contents.len(), "entries");
}
