//! The way from a loader's jump to `main`, on the boot CPU and on the others.

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::mpidr::Mpidr;
use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::mem::size_of;

use crate::el2::arch::cache;
use crate::el2::arch::image::{self, MAX_CPUS};
use crate::el2::mm::mmu::{self, Level};
use crate::el2::trap::vectors;

global_asm!(
    include_str!("entry.s"),
    primary = sym primary,
    secondary = sym secondary,
    handovers = sym HANDOVERS,
    handovers_size = const size_of::<Handovers>(),
    stack_at_entry = const image::STACK_AT_ENTRY,
);

unsafe extern "C" {
    fn secondary_entry();
}

/// What a CPU that starts with its MMU off reads before it can do anything else; `entry.s` knows
/// the layout. A line of the cache each, so that cleaning one says nothing of another.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Handover {
    /// Whose it is: the affinity fields of MPIDR_EL1.
    mpidr: u64,
    mair: u64,
    tcr: u64,
    ttbr: u64,
    sctlr: u64,
    stack_top: u64,
    index: u64,
}

const _: () = assert!(size_of::<Handover>() == 64);

impl Handover {
    /// Nobody's: no CPU has this affinity.
    const NONE: Self =
        Self { mpidr: u64::MAX, mair: 0, tcr: 0, ttbr: 0, sctlr: 0, stack_top: 0, index: 0 };
}

struct Handovers(UnsafeCell<[Handover; MAX_CPUS]>);

// SAFETY: only the boot CPU writes, each slot once and before the CPU that it is for is started;
// the others compare the first word of a slot, which is written whole, and read on in their own.
unsafe impl Sync for Handovers {}

static HANDOVERS: Handovers = Handovers(UnsafeCell::new([Handover::NONE; MAX_CPUS]));

/// First Rust code, with the MMU off: no locks, no atomics and no zeroed variables until it is on.
extern "C" fn primary(tree: u64, level: u64) -> ! {
    let level = Level::from_current_el(level);
    mmu::init(level, Pa::new(tree));
    crate::main(level, Pa::new(tree))
}

/// First Rust code of every other CPU, with the MMU on.
extern "C" fn secondary(index: u64) -> ! {
    vectors::install();
    crate::secondary_main(index as usize)
}

/// Prepares what a CPU finds when it starts; the result is where it has to start.
pub fn prepare_secondary(mpidr: Mpidr, index: usize, stack: usize) -> Pa {
    let setting = mmu::setting();
    let handover = Handover {
        mpidr: mpidr.get(),
        mair: setting.mair,
        tcr: setting.tcr,
        ttbr: setting.ttbr,
        sctlr: setting.sctlr,
        stack_top: image::stack_top(stack),
        index: index as u64,
    };
    // SAFETY: `index` is below MAX_CPUS (indexing checks), only the boot CPU is here, and the CPU
    // that reads this slot has not been started yet.
    let slot = unsafe {
        let slot = &raw mut (*HANDOVERS.0.get())[index];
        slot.write(handover);
        slot as u64
    };
    let region = Region::new(Pa::new(slot), size_of::<Handover>() as u64);
    cache::clean_and_invalidate(region.expect("a static does not wrap"));
    Pa::new(secondary_entry as *const () as u64)
}
