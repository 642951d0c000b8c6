//! The heap: boot's data and what partitions keep. Nothing is allocated once the guests run.

use buddy_system_allocator::Heap;
use bulkhead::addr::Bytes;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use super::wait::Mutex;
use super::{boot, image};

/// Blocks of up to 2^(ORDER - 1) bytes.
const ORDER: usize = 21;

struct LockedHeap(Mutex<Heap<ORDER>>);

#[global_allocator]
static HEAP: LockedHeap = LockedHeap(Mutex::new(Heap::new()));

// SAFETY: `Heap` hands out blocks of the layout asked for, each to one owner at a time, from the
// region that `init` gave it; the lock makes that true with several CPUs.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.lock().alloc(layout);
        // How much is needed follows from the trees that are read, so that this is a refusal.
        let Ok(block) = block else {
            let most = Bytes(image::heap().size());
            boot::refuse(format_args!(
                "the machine's tree and the description need more memory than Bulkhead has for \
                 them, {most}"
            ))
        };
        block.as_ptr()
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
