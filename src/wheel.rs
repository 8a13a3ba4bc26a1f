//! The timer wheel: entries ordered by deadline, and which of them are due.
//!
//! Each reactor owns one and is its only caller: it arms entries for sleeps and source deadlines, sleeps in the
//! selector until [`Wheel::next`], then calls [`Wheel::pop`] until nothing more is due. Time is an input, in
//! nanoseconds of the reactor's clock.
//!
//! A tick is 2^15 ns. Every deadline is rounded up to a tick, whose number is read as nine digits of six bits. The most
//! significant digit in which it differs from the wheel's position names the level, and that digit names the slot:
//!
//! ```text
//!  position    0 .. 0 17 30 41      the digits of level 2, 1 and 0 come last
//!  deadline    0 .. 0 17 52  8      level 1, slot 52; on level 0, slot 8, once the position is 17 52 0
//! ```
//!
//! An entry never fires early, and at most one tick late. Arming, disarming and removal are O(1) and allocate nothing;
//! an entry moves down at most once per level. Entries of one tick fire in the order in which they were armed.
//!
//! The price of exactness is the cascade: a far entry is moved on its way down, all of its slot in one `pop`. A slot
//! knows the earliest tick that was put into it, so that a reactor which sleeps is not woken to move entries, but only
//! when one is due, or was and has been cancelled. All that the lists need stands in one array, apart from what the
//! entries are for, so that moving them touches 16 bytes of each. Linux (4.8 and later) never moves an entry and lets
//! far timers be late by an eighth instead; that was turned down because a sleep here promises a tick whatever its
//! length. A binary heap was turned down because most timeouts are cancelled, which costs it O(log n) each; `slab` for
//! the entries, because it moves them in and out whole.

#[cfg(test)]
mod tests;

use std::mem;

/// A tick is 2^15 ns, 32.768 µs: the largest power of two below 64 µs, the most by which the wheel may be late.
const TICK_BITS: u32 = 15;

/// Nanoseconds in a tick.
const TICK: u64 = 1 << TICK_BITS;

/// A slot is a digit of six bits, so that one `u64` has a bit for every slot of a level.
const SLOT_BITS: u32 = 6;

/// Slots of a level.
const SLOTS: usize = 1 << SLOT_BITS;

/// Nine digits of six bits hold every tick of a `u64` of nanoseconds, which take 50: the last level never wraps.
const LEVELS: usize = 9;

const _: () = assert!(LEVELS as u32 * SLOT_BITS > u64::BITS - TICK_BITS);

/// Places below are slots, level by level; from here up to [`UNLINKED`] they are entries.
const FIRST_ENTRY: u32 = (LEVELS * SLOTS) as u32;

/// Entries for which there is room from the beginning: 1 KiB, where the slots take nine.
const ENTRIES: usize = 64;

/// Both links of an entry that is in no list.
const UNLINKED: u32 = u32::MAX;

/// Key of an entry: its place. The holder owns the entry and removes it once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(u32);

impl Key {
    /// Where among the entries it is.
    #[inline]
    const fn index(self) -> usize {
        self.0.wrapping_sub(FIRST_ENTRY) as usize
    }
}

/// A slot or an entry, in the circular list that runs through one slot and the entries in it.
#[derive(Clone, Copy)]
struct Node {
    /// Of an entry: the one that fires after it. Of a slot: the first to fire.
    next: u32,
    /// Of an entry: the one that fires before it. Of a slot: the last to fire.
    previous: u32,
    /// Of an entry: the deadline last armed, in nanoseconds and not rounded; `u64::MAX` before the first. Of a slot:
    /// the earliest tick that was put into it since it was empty, whose entry may be gone; `u64::MAX` while it is
    /// empty.
    time: u64,
}

const _: () = assert!(size_of::<Node>() == 16);

impl Node {
    /// An empty slot, which is its own neighbour.
    const fn slot(at: u32) -> Self {
        Self { next: at, previous: at, time: u64::MAX }
    }

    /// An entry that is in no list.
    const fn entry(time: u64) -> Self {
        Self { next: UNLINKED, previous: UNLINKED, time }
    }
}

/// What a place has.
enum Content<T> {
    /// An entry. The value is the caller's; the wheel never looks at it.
    Entry(T),
    /// None. The next place without one.
    Vacant(u32),
}

/// A hierarchical timer wheel.
///
/// Between calls:
///
/// - An entry is armed if and only if it is in the list of exactly one slot. `pop` unlinks what it returns, so nothing
///   fires twice, and a cascade links all that it took, so nothing is lost.
/// - The tick for which an entry was linked agrees with `position` in the digits above its level. On its level its
///   digit is the larger one, or the same on level 0. So the first slot of the lowest occupied level is the earliest,
///   and the slots of a level never wrap.
/// - A bit of `occupied` is set if and only if the list of that slot has an entry.
pub(crate) struct Wheel<T> {
    /// The tick up to which slots were emptied, at most `now`. Moved by `pop` alone, and never past an occupied slot.
    position: u64,
    /// The latest tick that `pop` was told of: deadlines before it are armed for it.
    now: u64,
    /// For each level, the bits of the slots that are not empty. Written by `link` and `unlink`.
    occupied: [u64; LEVELS],
    /// The slots, level by level, and behind them the entries. Written when an entry is put in or armed, and when it or
    /// a neighbour is linked or unlinked.
    nodes: Vec<Node>,
    /// What each place behind the slots has.
    contents: Vec<Content<T>>,
    /// The first place without an entry; the one behind the last if all have one.
    vacant: u32,
    /// How many entries are linked. Written by `link` and `unlink`.
    armed: usize,
}

impl<T> Wheel<T> {
    /// An empty wheel at `now`, in nanoseconds. Makes room for entries at the first insertion.
    pub(crate) fn new(now: u64) -> Self {
        let tick = now >> TICK_BITS;
        let mut nodes = Vec::with_capacity(FIRST_ENTRY as usize + ENTRIES);
        nodes.extend((0..FIRST_ENTRY).map(Node::slot));
        Self {
            position: tick,
            now: tick,
            occupied: [0; LEVELS],
            nodes,
            contents: Vec::new(),
            vacant: FIRST_ENTRY,
            armed: 0,
        }
    }

    /// Adds an entry armed for `deadline`; see [`arm`](Self::arm).
    ///
    /// Panics if the wheel already holds four billion entries.
    #[inline]
    pub(crate) fn insert(&mut self, deadline: u64, value: T) -> Key {
        let key = self.put(deadline, value);
        self.link(key.0, self.tick(deadline));
        key
    }

    /// Adds an entry that is not armed.
    ///
    /// Panics as `insert` does.
    pub(crate) fn insert_idle(&mut self, value: T) -> Key {
        self.put(u64::MAX, value)
    }

    /// Puts an unlinked entry into a place without one.
    #[inline]
    fn put(&mut self, deadline: u64, value: T) -> Key {
        let key = Key(self.vacant);
        let Some(content) = self.contents.get_mut(key.index()) else { return self.put_last(deadline, value) };
        let Content::Vacant(next) = *content else { unreachable!("place {} has an entry", key.0) };
        *content = Content::Entry(value);
        self.vacant = next;
        self.nodes[key.0 as usize].time = deadline;
        key
    }

    /// The same in a new place.
    #[cold]
    #[inline(never)]
    fn put_last(&mut self, deadline: u64, value: T) -> Key {
        let key = Key(self.vacant);
        assert!(key.0 < UNLINKED, "a wheel holds at most {} entries", UNLINKED - FIRST_ENTRY);
        self.nodes.reserve(1);
        self.contents.push(Content::Entry(value));
        self.nodes.push(Node::entry(deadline));
        self.vacant += 1;
        key
    }

    /// The tick in which what has this deadline fires, if it is armed now.
    #[inline]
    fn tick(&self, deadline: u64) -> u64 {
        // Why up? At the start of the tick that the deadline is in, the deadline is still ahead.
        deadline.div_ceil(TICK).max(self.now)
    }

    /// Arms an entry for `deadline`, whether it was armed, disarmed or popped before.
    ///
    /// A deadline whose tick has passed fires in a later `pop`, even at the same `now`, behind most of what is due
    /// already: a caller that bounds its batches starves nobody. `u64::MAX` never fires, nor does any other deadline
    /// in the last tick of the clock, whose end the clock cannot show.
    pub(crate) fn arm(&mut self, key: Key, deadline: u64) {
        self.check(key);
        self.unlink(key.0);
        self.nodes[key.0 as usize].time = deadline;
        self.link(key.0, self.tick(deadline));
    }

    /// Keeps an entry from firing and keeps the entry. Does nothing if it is not armed.
    pub(crate) fn disarm(&mut self, key: Key) {
        self.check(key);
        self.unlink(key.0);
    }

    /// Takes an entry out, whether it is armed, disarmed or popped. Its key may be given to another entry at once.
    ///
    /// Panics, as [`value_mut`](Self::value_mut) does, if there is no such entry. The others that take a key do so in
    /// debug builds.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> T {
        let content = &mut self.contents[key.index()];
        let value = match mem::replace(content, Content::Vacant(self.vacant)) {
            Content::Entry(value) => value,
            vacant @ Content::Vacant(_) => {
                *content = vacant;
                gone(key)
            }
        };
        self.vacant = key.0;
        self.unlink(key.0);
        value
    }

    /// Whether the entry was armed and has neither been popped nor disarmed since.
    pub(crate) fn is_armed(&self, key: Key) -> bool {
        self.check(key);
        self.nodes[key.0 as usize].next != UNLINKED
    }

    /// The deadline for which the entry was armed last, in nanoseconds; `u64::MAX` if it never was.
    pub(crate) fn deadline(&self, key: Key) -> u64 {
        self.check(key);
        self.nodes[key.0 as usize].time
    }

    /// In debug builds, that there is such an entry.
    #[inline]
    fn check(&self, key: Key) {
        debug_assert!(matches!(self.contents[key.index()], Content::Entry(_)), "the wheel has no entry {}", key.0);
    }

    /// The value that came with the entry.
    pub(crate) fn value_mut(&mut self, key: Key) -> &mut T {
        match &mut self.contents[key.index()] {
            Content::Entry(value) => value,
            Content::Vacant(_) => gone(key),
        }
    }

    /// The next entry that is due at `now`, disarmed but kept until it is removed; `None` when nothing more is due.
    ///
    /// Due is what has its deadline, rounded up to a tick, at or before `now`. The earlier tick comes first. A `now`
    /// before that of an earlier call counts as the earlier one. The caller bounds the entries that it takes in one go:
    /// one that is armed for the past each time it fires would keep it here for ever.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Key> {
        self.now = self.now.max(now >> TICK_BITS);

        // Bounded by the entries: a round returns one, or moves those of one slot down, each at most once per level.
        while let Some((slot, start)) = self.earliest().filter(|&(_, start)| start <= self.now) {
            self.position = start;
            if slot < SLOTS {
                let first = self.nodes[slot].next;
                self.unlink(first);
                return Some(Key(first));
            }
            self.cascade(slot);
        }

        self.position = self.now;
        None
    }

    /// The moment, at or after `deadline`, at which what has this deadline is due.
    pub(crate) const fn due(deadline: u64) -> u64 {
        deadline.div_ceil(TICK).saturating_mul(TICK)
    }

    /// When to call `pop` next, in nanoseconds; `None` if nothing is armed that could fire.
    ///
    /// At or before `now` while something is due. Otherwise the earliest deadline rounded up to its tick, or an earlier
    /// moment at which an entry would have been due that has been disarmed or removed since: `pop` then returns
    /// nothing, and looks at the whole slot, so that this happens at most once per slot and level.
    pub(crate) fn next(&self) -> Option<u64> {
        let (slot, _) = self.earliest()?;
        // Why not saturate? The one tick that overflows is that of the deadlines that never fire.
        self.nodes[slot].time.checked_mul(TICK)
    }

    /// How many entries there are, armed or not.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.contents.iter().filter(|content| matches!(content, Content::Entry(_))).count()
    }

    /// How many entries are armed, those that never fire included.
    pub(crate) fn armed(&self) -> usize {
        self.armed
    }

    /// The first occupied slot and the first tick in it.
    fn earliest(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let digit = self.occupied[level].trailing_zeros();
        let shift = level as u32 * SLOT_BITS;
        let above = self.position >> (shift + SLOT_BITS) << SLOT_BITS;
        let start = (above | u64::from(digit)) << shift;
        Some((level * SLOTS + digit as usize, start))
    }

    /// Empties a slot whose start is the position: what was in it agrees in one digit more, so it goes to lower levels.
    fn cascade(&mut self, slot: usize) {
        let mut at = self.nodes[slot].next;
        while at as usize != slot {
            let next = self.nodes[at as usize].next;
            // Why the maximum? An entry that was armed for the past stands in the slot of a later tick.
            let tick = self.deadline(Key(at)).div_ceil(TICK).max(self.position);
            self.unlink(at);
            self.link(at, tick);
            at = next;
        }
    }

    /// Puts an unlinked entry last in the slot of `tick`, which is not before the position.
    #[inline]
    fn link(&mut self, at: u32, tick: u64) {
        // The highest bit that differs tells the level; without one, or with one in the last digit, that is level 0.
        let differing = (self.position ^ tick) | (SLOTS as u64 - 1);
        let level = differing.ilog2() / SLOT_BITS;
        let digit = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        let slot = level as usize * SLOTS + digit;
        self.occupied[level as usize] |= 1 << digit;

        let list = &mut self.nodes[slot];
        list.time = list.time.min(tick);
        let last = mem::replace(&mut list.previous, at);
        self.nodes[last as usize].next = at;
        let entry = &mut self.nodes[at as usize];
        (entry.next, entry.previous) = (slot as u32, last);
        self.armed += 1;
    }

    /// Takes an entry out of its list, if it is in one.
    #[inline]
    fn unlink(&mut self, at: u32) {
        let entry = &mut self.nodes[at as usize];
        let Node { next, previous, time } = *entry;
        if next == UNLINKED {
            return;
        }
        *entry = Node::entry(time);
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;

        // The same neighbour on both sides is the slot, and nothing is left in it.
        if next == previous {
            let slot = next as usize;
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
            self.nodes[slot].time = u64::MAX;
        }
        self.armed -= 1;
    }
}

#[cold]
#[inline(never)]
fn gone(Key(at): Key) -> ! {
    panic!("the wheel has no entry {at}")
}
