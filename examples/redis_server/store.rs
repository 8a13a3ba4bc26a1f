//! Keys and what they stand for, within a bound of memory.
//!
//! A key whose time is over is gone for whoever asks, and is thrown out by whoever finds it, or when memory runs out.
//! That looks at all keys, and so at most once for each moment at which one is over: a store that is full of others
//! says so at once. What counts as memory is the bytes of keys and values and a fixed amount for each of them.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// What an entry or an item of a list takes beside its bytes: the pointers to them, and the table's share.
const OVERHEAD: usize = 64;

/// What a key stands for.
#[derive(Debug)]
pub(crate) enum Data {
    String(Vec<u8>),
    /// Never empty.
    List(VecDeque<Vec<u8>>),
}

#[derive(Debug)]
struct Entry {
    data: Data,
    /// When it is over; none if never.
    ends: Option<Instant>,
}

/// There is no room.
#[derive(Debug)]
pub(crate) struct Full;

/// The keys.
#[derive(Debug)]
pub(crate) struct Store {
    entries: HashMap<Vec<u8>, Entry>,
    /// What all of it takes, in bytes. Written by all that changes an entry.
    used: usize,
    /// What it may take, in bytes.
    limit: usize,
    /// Before this no key is over; none if none ever is. Written by all that sets an end, and by a look at all keys.
    earliest: Option<Instant>,
}

impl Entry {
    /// What it takes with its key, in bytes.
    fn size(&self, key: &[u8]) -> usize {
        key.len() + self.data.size() + OVERHEAD
    }
}

impl Data {
    fn size(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.len(),
            Self::List(items) => items.iter().map(|item| item.len() + OVERHEAD).sum(),
        }
    }
}

impl Store {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), used: 0, limit, earliest: None }
    }

    /// How many keys there are, at `now`.
    pub(crate) fn len(&mut self, now: Instant) -> usize {
        self.throw_out(now);
        self.entries.len()
    }

    /// What it takes, in bytes.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        (self.used, self.earliest) = (0, None);
    }

    /// What `key` stands for.
    pub(crate) fn get(&mut self, key: &[u8], now: Instant) -> Option<&Data> {
        self.live(key, now).map(|entry| &entry.data)
    }

    /// When `key` is over; the inner `None` if never.
    pub(crate) fn ends(&mut self, key: &[u8], now: Instant) -> Option<Option<Instant>> {
        self.live(key, now).map(|entry| entry.ends)
    }

    /// `key` is over at `ends`; false if it is not there.
    pub(crate) fn set_end(&mut self, key: &[u8], ends: Option<Instant>, now: Instant) -> bool {
        self.note(ends);
        self.live(key, now).map(|entry| entry.ends = ends).is_some()
    }

    /// `key` stands for this string, until `ends`.
    pub(crate) fn set(
        &mut self,
        key: Vec<u8>,
        value: Vec<u8>,
        ends: Option<Instant>,
        now: Instant,
    ) -> Result<(), Full> {
        let entry = Entry { data: Data::String(value), ends };
        let size = entry.size(&key);
        self.make_room(size, Some(&key), now)?;
        self.remove(&key, now);
        self.used += size;
        self.note(ends);
        self.entries.insert(key, entry);
        Ok(())
    }

    /// There is no `key` any more; false if there was none.
    pub(crate) fn remove(&mut self, key: &[u8], now: Instant) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        self.used -= entry.size(key);
        entry.ends.is_none_or(|ends| ends > now)
    }

    /// Appends `items` one by one to the list called `key`, in front or at the back; answers how long it is then. What
    /// the key stands for is no string.
    pub(crate) fn push(
        &mut self,
        key: Vec<u8>,
        items: Vec<Vec<u8>>,
        is_front: bool,
        now: Instant,
    ) -> Result<usize, Full> {
        let size: usize = items.iter().map(|item| item.len() + OVERHEAD).sum();
        let size = match self.live(&key, now) {
            Some(_) => size,
            None => size + key.len() + OVERHEAD,
        };
        self.make_room(size, None, now)?;
        let entry = self.entries.entry(key);
        let entry = entry.or_insert_with(|| Entry { data: Data::List(VecDeque::new()), ends: None });
        let Data::List(list) = &mut entry.data else { return Ok(0) };
        self.used += size;
        for item in items {
            if is_front {
                list.push_front(item);
            } else {
                list.push_back(item);
            }
        }
        Ok(list.len())
    }

    /// Takes an item off the list called `key`, from the front or the back; a list that is empty then is gone.
    pub(crate) fn pop(&mut self, key: &[u8], is_front: bool, now: Instant) -> Option<Vec<u8>> {
        let Data::List(list) = &mut self.live(key, now)?.data else { return None };
        let item = if is_front { list.pop_front() } else { list.pop_back() }?;
        let is_empty = list.is_empty();
        self.used -= item.len() + OVERHEAD;
        if is_empty {
            self.remove(key, now);
        }
        Some(item)
    }

    /// The entry of `key`, unless it is over.
    fn live(&mut self, key: &[u8], now: Instant) -> Option<&mut Entry> {
        if self.entries.get(key)?.ends.is_some_and(|ends| ends <= now) {
            self.remove(key, now);
        }
        self.entries.get_mut(key)
    }

    /// Sees to it that so many bytes more fit, in place of what `replaced` stands for.
    fn make_room(&mut self, bytes: usize, replaced: Option<&[u8]>, now: Instant) -> Result<(), Full> {
        let fits = |store: &Self| {
            let freed = replaced.and_then(|key| Some(store.entries.get(key)?.size(key))).unwrap_or(0);
            store.used - freed + bytes <= store.limit
        };
        if !fits(self) {
            self.throw_out(now);
        }
        if fits(self) { Ok(()) } else { Err(Full) }
    }

    /// A key is over then.
    fn note(&mut self, ends: Option<Instant>) {
        self.earliest = self.earliest.into_iter().chain(ends).min();
    }

    /// Throws out what is over.
    fn throw_out(&mut self, now: Instant) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        let (used, mut earliest) = (&mut self.used, None);
        self.entries.retain(|key, entry| {
            let is_over = entry.ends.is_some_and(|ends| ends <= now);
            if is_over {
                *used -= entry.size(key);
            } else {
                earliest = earliest.into_iter().chain(entry.ends).min();
            }
            !is_over
        });
        self.earliest = earliest;
    }
}
