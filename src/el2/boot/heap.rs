//! The heap, for data of boot and the state of partitions. Nothing is allocated once guests run.
//!
//! Most blocks are small: paths, and lists of one or two elements. They are allocated one after the
//! other from the start of the heap and never freed, which costs much less than the buddy system
//! that is used for large blocks.

use buddy_system_allocator::Heap;
use bulkhead::arch::addr::{Bytes, Pa, Region};
use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::mmu;
use super::refuse::refuse;
use crate::el2::arch::image;
use crate::el2::arch::sync::Mutex;

/// The number of block sizes of the buddy system, from 1 to 2^(ORDER - 1) bytes.
const ORDER: usize = 21;
/// The size of the largest small block, in bytes.
const SMALL: usize = 1024;
/// The alignment of small blocks, in bytes.
const ALIGNMENT: usize = 8;
/// The size of the memory for small blocks, in bytes. When it is used up, small blocks are
/// allocated like large ones.
const SMALL_BLOCKS: usize = 256 << 10;

/// The global allocator.
struct LockedHeap {
    /// The start of the free part of the memory for small blocks. Beyond its end once that is used
    /// up, and before [`init`].
    small: AtomicUsize,
    /// The memory for large blocks.
    large: Mutex<Heap<ORDER>>,
}

/// A static, because the language requires it of the global allocator.
#[global_allocator]
static HEAP: LockedHeap =
    LockedHeap { small: AtomicUsize::new(usize::MAX / 2), large: Mutex::new(Heap::new()) };

impl LockedHeap {
    /// Allocates a block like a large one; null if there is no memory for it.
    #[inline(never)]
    fn alloc_large(&self, layout: Layout) -> *mut u8 {
        let block = self.large.lock().alloc(layout);
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// Refuses to boot, for lack of memory. The trees determine how much is needed, so this is no
    /// panic.
    #[cold]
    fn refuse() -> ! {
        let size = Bytes(image::heap().size());
        refuse(format_args!(
            "the machine's tree and the description need more memory than Bulkhead has for them, \
             {size}"
        ))
    }
}

// SAFETY: `alloc` returns blocks of the requested layout that do not overlap. The addresses of small
// blocks are multiples of ALIGNMENT, increase with each `fetch_add`, on whichever CPU, and are never
// freed; large blocks come from `Heap`, whose lock serialises all CPUs. `init` gives both disjoint
// parts of the heap.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() <= SMALL && layout.align() <= ALIGNMENT {
            let size = layout.size().wrapping_add(ALIGNMENT - 1) & !(ALIGNMENT - 1);
            let start = self.small.fetch_add(size, Ordering::Relaxed);
            if start.wrapping_add(size) <= small_blocks().end {
                return start as *mut u8;
            }
        }
        let block = self.alloc_large(layout);
        if block.is_null() {
            Self::refuse();
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block.addr() < small_blocks().end {
            return;
        }
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller of `dealloc` passes a block that `alloc` returned for this layout;
            // the block is not in the memory for small blocks, so it came from `large`.
            unsafe { self.large.lock().dealloc(block, layout) }
        }
    }
}

/// Returns the addresses of the memory for small blocks.
#[inline(always)]
fn small_blocks() -> Range<usize> {
    let start = image::heap_start().get() as usize;
    start..start.wrapping_add(SMALL_BLOCKS)
}

/// Gives the heap its memory. Called once, by `main`, with the MMU on.
pub fn init() {
    let small = small_blocks();
    let size = image::heap().size() as usize - SMALL_BLOCKS;
    // SAFETY: the linker script reserves this region for the heap, `mmu::init` mapped it writable,
    // and it does not include the memory for small blocks.
    unsafe { HEAP.large.lock().init(small.end, size) }
    HEAP.small.store(small.start, Ordering::Relaxed);
}

/// Adds the memory that the Plan gives to the heap. Called once, by `boot::plan`.
pub fn extend(memory: Region<Pa>) {
    mmu::map_memory(memory);
    let end = memory.end().get() as usize;
    // In the largest blocks that the buddy system has, of which the memory is a multiple.
    for start in (memory.start().get() as usize..end).step_by(1 << (ORDER - 1)) {
        // SAFETY: the Plan gives these bytes to nothing else (`Plan::heap`), the line above mapped
        // them writable, and EL2 unmaps only code and images.
        unsafe { HEAP.large.lock().add_to_heap(start, start + (1 << (ORDER - 1))) }
    }
}
