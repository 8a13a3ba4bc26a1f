//! An allocator that knows how many bytes each thread holds. A test that wants it names it as its global one.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread has allocated and not freed.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most of that since `peak_of` began.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts the bytes of each thread.
pub(crate) struct Heap;

impl Heap {
    /// Bytes that this thread holds.
    pub(crate) fn held() -> isize {
        HELD.get()
    }

    /// What `body` returns, and how many bytes more than before it this thread held at most meanwhile.
    pub(crate) fn peak_of<T>(body: impl FnOnce() -> T) -> (T, isize) {
        let before = HELD.get();
        PEAK.set(before);
        let output = body();
        (output, PEAK.get() - before)
    }

    fn add(bytes: isize) {
        let _ = HELD.try_with(|held| {
            held.set(held.get() + bytes);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
        });
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::add(-(layout.size() as isize));
        // SAFETY: as above; the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
