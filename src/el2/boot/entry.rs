//! Leads from the loader's jump, or from a CPU's start by firmware, to the program's entry points.

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::mpidr::Mpidr;
use core::cell::UnsafeCell;
use core::mem::size_of;

use super::build::Work;
use super::mmu::{self, ExceptionLevel, TranslationRegisters};
use crate::el2::arch::cache;
use crate::el2::arch::image::{self, MAX_CPUS};
use crate::el2::trap::vectors;
use crate::el2::vcpu::resident::{self, Resident};

/// The functions with which the entry code continues.
pub trait EntryPoints {
    /// Boots on the boot CPU, with the MMU on. `tree` is the address of the firmware's tree.
    fn boot(level: ExceptionLevel, tree: Pa) -> !;

    /// Takes part in booting on every other CPU, with its MMU on.
    fn secondary(resident: &'static Resident, work: &'static Work) -> !;
}

/// Assembles the entry code for a type's [`EntryPoints`]. Used once, by the program.
macro_rules! entry {
    ($program:ty) => {
        core::arch::global_asm!(
            include_str!("el2/boot/entry.s"),
            primary = sym $crate::el2::boot::entry::primary::<$program>,
            secondary = sym $crate::el2::boot::entry::secondary::<$program>,
            handovers = sym $crate::el2::boot::entry::HANDOVERS,
            handover_size = const $crate::el2::boot::entry::HANDOVER_SIZE,
            handovers_size = const $crate::el2::boot::entry::HANDOVERS_SIZE,
            stack_at_entry = const $crate::el2::arch::image::STACK_AT_ENTRY,
        );
    };
}
pub(crate) use entry;

unsafe extern "C" {
    fn secondary_entry();
}

/// The values that a CPU loads while its MMU is off, in the layout of `entry.s`. Aligned to 64
/// bytes, so that cleaning one does not affect another.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Handover {
    /// The affinity fields of the CPU's MPIDR_EL1.
    mpidr: u64,
    mair: u64,
    tcr: u64,
    ttbr: u64,
    sctlr: u64,
    stack_top: u64,
    index: u64,
    /// The work that the CPU takes part in.
    work: Option<&'static Work>,
}

/// The size of a [`Handover`], in bytes.
pub const HANDOVER_SIZE: usize = size_of::<Handover>();
/// The size of [`Handovers`], in bytes.
pub const HANDOVERS_SIZE: usize = size_of::<Handovers>();

const _: () = assert!(HANDOVER_SIZE == 64);

impl Handover {
    /// An unused handover, whose affinity no CPU has.
    const NONE: Self = Self {
        mpidr: u64::MAX,
        mair: 0,
        tcr: 0,
        ttbr: 0,
        sctlr: 0,
        stack_top: 0,
        index: 0,
        work: None,
    };
}

/// A [`Handover`] for each CPU.
pub struct Handovers(UnsafeCell<[Handover; MAX_CPUS]>);

// SAFETY: only `prepare_secondary` writes, on the boot CPU, each slot once and before its CPU is
// started. Other CPUs read only the first word of a slot of another CPU, which is written by one
// store, and all of their own (`entry.s`).
unsafe impl Sync for Handovers {}

/// A static, because a CPU that starts from a spin table receives no argument.
pub static HANDOVERS: Handovers = Handovers(UnsafeCell::new([Handover::NONE; MAX_CPUS]));

/// Runs first on the boot CPU after `entry.s`, turns the MMU on and boots. Until the MMU is on no
/// lock, atomic or zeroed variable may be used.
pub extern "C" fn primary<P: EntryPoints>(tree: u64, level: u64) -> ! {
    let level = ExceptionLevel::from_current_el(level);
    mmu::init(level, Pa::new(tree));
    P::boot(level, Pa::new(tree))
}

/// Runs first on every other CPU after `entry.s`, which has turned its MMU on.
pub extern "C" fn secondary<P: EntryPoints>(index: u64, work: &'static Work) -> ! {
    vectors::install();
    P::secondary(resident::enter(index as usize), work)
}

/// Prepares the handover for the CPU with this index, and returns the address at which it must
/// start.
pub fn prepare_secondary(mpidr: Mpidr, index: usize, stack: usize, work: &'static Work) -> Pa {
    mmu::prepare_root(stack);
    let TranslationRegisters { mair, tcr, ttbr, sctlr } = mmu::translation_registers(stack);
    let handover = Handover {
        mpidr: mpidr.get(),
        mair,
        tcr,
        ttbr,
        sctlr,
        stack_top: image::stack_top(stack),
        index: index as u64,
        work: Some(work),
    };
    // SAFETY: indexing checks `index`; only the boot CPU calls this (`cpus::start_others`), before
    // it starts the CPU that reads the slot.
    let slot = unsafe {
        let slot = &raw mut (*HANDOVERS.0.get())[index];
        slot.write(handover);
        slot as u64
    };
    let region = Region::new(Pa::new(slot), HANDOVER_SIZE as u64);
    cache::clean_and_invalidate(region.expect("a static does not wrap"));
    Pa::new(secondary_entry as *const () as u64)
}
