//! The heap, for data of boot and the state of partitions. Nothing is allocated once guests run.
//!
//! Most blocks are small: paths, and lists of one or two elements. They are allocated one after the
//! other from the start of the heap and never freed, which costs much less than the buddy system
//! that is used for large blocks.

use buddy_system_allocator::Heap;
use bulkhead::arch::addr::Bytes;
use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::NonNull;

use super::refuse::refuse;
use crate::el2::arch::image;
use crate::el2::arch::sync::{Mutex, MutexGuard};

/// The number of block sizes of the buddy system, from 1 to 2^(ORDER - 1) bytes.
const ORDER: usize = 21;
/// The size of the largest small block, in bytes.
const SMALL: usize = 256;
/// The size of the memory for small blocks, in bytes. When it is used up, small blocks are
/// allocated like large ones.
const SMALL_BLOCKS: usize = 64 << 10;

/// The global allocator.
struct LockedHeap(Mutex<HeapParts>);

/// The two parts of the heap.
struct HeapParts {
    /// The free part of the memory for small blocks.
    small: Range<usize>,
    /// The memory for large blocks.
    large: Heap<ORDER>,
}

/// A static, because the language requires it of the global allocator.
#[global_allocator]
static HEAP: LockedHeap = LockedHeap(Mutex::new(HeapParts { small: 0..0, large: Heap::new() }));

impl LockedHeap {
    /// Takes the lock, which is free except while several CPUs set up their partitions.
    #[inline(always)]
    fn lock(&self) -> MutexGuard<'_, HeapParts> {
        self.0.try_lock().unwrap_or_else(|| self.0.lock())
    }
}

impl HeapParts {
    /// Allocates a block; `None` if there is no memory for it.
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // `layout.align()` is a power of two, for which a mask is cheaper than a division.
        let start = (self.small.start + layout.align() - 1) & !(layout.align() - 1);
        let end = start + layout.size();
        if layout.size() <= SMALL && end <= self.small.end {
            self.small.start = end;
            return NonNull::new(start as *mut u8);
        }
        self.large.alloc(layout).ok()
    }
}

// SAFETY: `HeapParts::alloc` returns blocks of the requested layout that do not overlap: small
// blocks have increasing addresses and are never freed, and large ones come from `Heap`. `init`
// gives both disjoint parts of the heap. The lock serialises all CPUs.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.lock().alloc(layout);
        // The trees determine how much is needed, so this is a refusal and not a panic.
        let Some(block) = block else {
            let size = Bytes(image::heap().size());
            refuse(format_args!(
                "the machine's tree and the description need more memory than Bulkhead has for \
                 them, {size}"
            ))
        };
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block.addr() < small_blocks().end {
            return;
        }
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller of `dealloc` passes a block that `alloc` returned for this layout;
            // the block is not in the memory for small blocks, so it came from `large`.
            unsafe { self.lock().large.dealloc(block, layout) }
        }
    }
}

/// Returns the addresses of the memory for small blocks.
#[inline(always)]
fn small_blocks() -> Range<usize> {
    let start = image::heap_start().get() as usize;
    start..start + SMALL_BLOCKS
}

/// Gives the heap its memory. Called once, by `main`, with the MMU on.
pub fn init() {
    let small = small_blocks();
    let size = image::heap().size() as usize - SMALL_BLOCKS;
    let mut heap = HEAP.lock();
    // SAFETY: the linker script reserves this region for the heap, `mmu::init` mapped it writable,
    // and it does not include the memory for small blocks.
    unsafe { heap.large.init(small.end, size) }
    heap.small = small;
}
