//! An allocator that counts, each thread for itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What was allocated meanwhile: how often, and how many bytes at most at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocations {
    pub count: u64,
    pub largest: usize,
}

/// Counts while `work` runs.
pub fn allocations(work: impl FnOnce()) -> Allocations {
    ALLOCATIONS.set(Allocations { count: 0, largest: 0 });
    work();
    ALLOCATIONS.get()
}

thread_local! {
    // Without a destructor and without lazy initialization, so that an allocator may use it at any time.
    static ALLOCATIONS: Cell<Allocations> = const { Cell::new(Allocations { count: 0, largest: 0 }) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(bytes: usize) {
    let Allocations { count, largest } = ALLOCATIONS.get();
    ALLOCATIONS.set(Allocations { count: count + 1, largest: largest.max(bytes) });
}

// SAFETY: it passes everything on to the system's allocator; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
