//! The heap: boot's data and what partitions keep. Nothing is allocated once the guests run.
//!
//! Most blocks are small: paths, and lists of one or two. They are cut off one end of the heap and not
//! taken back, which is a fraction of the work of keeping order in the rest.

use buddy_system_allocator::Heap;
use bulkhead::arch::addr::Bytes;
use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::NonNull;

use crate::el2::arch::image;
use crate::el2::arch::sync::Mutex;
use crate::el2::boot;

/// Blocks of up to 2^(ORDER - 1) bytes.
const ORDER: usize = 21;
/// The largest block that is small, in bytes.
const SMALL: usize = 256;
/// How much there is for small blocks, in bytes. When it is used up, they are like all others.
const SMALL_BLOCKS: usize = 64 << 10;

struct LockedHeap(Mutex<Parts>);

struct Parts {
    /// What is left for small blocks.
    small: Range<usize>,
    /// All but what there was for them.
    large: Heap<ORDER>,
}

#[global_allocator]
static HEAP: LockedHeap = LockedHeap(Mutex::new(Parts { small: 0..0, large: Heap::new() }));

impl Parts {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let start = self.small.start.next_multiple_of(layout.align());
        let end = start + layout.size();
        if layout.size() <= SMALL && end <= self.small.end {
            self.small.start = end;
            return NonNull::new(start as *mut u8);
        }
        self.large.alloc(layout).ok()
    }
}

// SAFETY: `Parts` hands out blocks of the layout asked for, each to one owner at a time: the small ones
// once for all, one behind the other; the large ones as `Heap` does. Both come from the region that
// `init` gave them, a part for each; the lock makes that true with several CPUs.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.lock().alloc(layout);
        // How much is needed follows from the trees that are read, so that this is a refusal.
        let Some(block) = block else {
            let most = Bytes(image::heap().size());
            boot::refuse(format_args!(
                "the machine's tree and the description need more memory than Bulkhead has for \
                 them, {most}"
            ))
        };
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block.addr() < small_blocks().end {
            return;
        }
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller of `dealloc` passes a block that `alloc` gave for this layout; it is
            // none of the small ones, so that `large` has given it.
            unsafe { self.0.lock().large.dealloc(block, layout) }
        }
    }
}

/// Where small blocks come from.
#[inline(always)]
fn small_blocks() -> Range<usize> {
    let start = image::heap().start().get() as usize;
    start..start + SMALL_BLOCKS
}

/// Gives the heap its memory. To be called once, with the MMU on.
pub fn init() {
    let small = small_blocks();
    let size = image::heap().size() as usize - SMALL_BLOCKS;
    let mut heap = HEAP.0.lock();
    // SAFETY: the linker script keeps this region for the heap alone, it is mapped writable, and small
    // blocks lie before it.
    unsafe { heap.large.init(small.end, size) }
    heap.small = small;
}
