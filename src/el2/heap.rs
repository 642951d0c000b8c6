//! The heap: boot's data and what partitions keep. Nothing is allocated once the guests run.

use buddy_system_allocator::Heap;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use super::image;
use super::wait::Mutex;

/// Blocks of up to 2^(ORDER - 1) bytes.
const ORDER: usize = 21;

struct LockedHeap(Mutex<Heap<ORDER>>);

#[global_allocator]
static HEAP: LockedHeap = LockedHeap(Mutex::new(Heap::new()));

// SAFETY: `Heap` hands out blocks of the layout asked for, each to one owner at a time, from the
// region that `init` gave it; the lock makes that true with several CPUs.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().alloc(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller of `dealloc` passes a block that `alloc` gave for this layout.
            unsafe { self.0.lock().dealloc(block, layout) }
        }
    }
}

/// Gives the heap its memory. To be called once, with the MMU on.
pub fn init() {
    let memory = image::heap();
    // SAFETY: the linker script keeps this region for the heap alone, and it is mapped writable.
    unsafe { HEAP.0.lock().init(memory.start().get() as usize, memory.size() as usize) }
}
