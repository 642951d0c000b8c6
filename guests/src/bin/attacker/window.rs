//! The attacker's own stage 1, beside the runtime's: windows onto all intermediate physical addresses
//! in the upper half of the address space, as ordinary memory, for EL1 and for EL0.
//!
//! VMSAv8-64, 4 KiB granule, 41-bit addresses from level 0 by TTBR1 (Arm ARM D8).

use core::arch::asm;
use core::cell::UnsafeCell;

use runtime::cpu::{self, MAX_CPUS};
use runtime::read_register;

/// The size of a window: all of what stage 2 can translate.
pub const SIZE: u64 = 1 << 39;
const FIRST: u64 = 0xffff_fe00_0000_0000;
/// Where EL1 sees an intermediate physical address.
pub const KERNEL: u64 = FIRST;
/// Where EL0 sees it.
pub const USER: u64 = FIRST + SIZE;
/// Where EL1 sees what lies above, at addresses that no stage 2 of Bulkhead's can translate.
pub const BEYOND: u64 = FIRST + 2 * SIZE;
/// The window whose tables are wrong: see [`Walk`].
pub const WALK: u64 = FIRST + 3 * SIZE;

const GIB: u64 = 1 << 30;
const BLOCK: u64 = 0b01;
/// The next table, or at level 3 a page.
pub const TABLE: u64 = 0b11;
/// Normal memory, write-back, inner shareable, with the access flag.
pub const MEMORY: u64 = 1 << 10 | 0b11 << 8;
const EL0_TOO: u64 = 1 << 6;

/// SCTLR_EL1: EL0 may use DC ZVA (DZE), CTR_EL0 (UCT) and cache maintenance (UCI).
const SCTLR_FOR_EL0: u64 = 1 << 14 | 1 << 15 | 1 << 26;
/// CPACR_EL1.FPEN: vector registers do not trap.
const VECTORS: u64 = 0b11 << 20;
/// TCR_EL1: T1SZ, EPD1, IRGN1, ORGN1, SH1, TG1.
const TCR_UPPER: u64 = 0xffff_0000 & !(1 << 22);
/// 41 bits, walks through inner-shareable write-back memory, 4 KiB.
const TCR_WINDOWS: u64 = 23 << 16 | 1 << 24 | 1 << 26 | 0b11 << 28 | 0b10 << 30;

/// A translation table.
#[repr(C, align(4096))]
pub struct Table(UnsafeCell<[u64; 512]>);

// SAFETY: written by one CPU while no other uses it: those of all CPUs by the boot CPU before it starts
// the others, the rest by the CPU whose they are.
unsafe impl Sync for Table {}

impl Table {
    /// A table of no valid entry.
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; 512]))
    }

    /// Its address, which is its physical one: the runtime maps memory onto itself.
    pub fn address(&self) -> u64 {
        self.0.get() as u64
    }

    /// Changes an entry and forgets this CPU's translations.
    ///
    /// # Safety
    ///
    /// The CPU does not depend on what the entry was for, and the table is its own.
    pub unsafe fn set(&self, index: usize, entry: u64) {
        // SAFETY: the caller's.
        unsafe { self.write(index, entry) };
        forget_translations();
    }

    /// The same for a table that no translation has used yet.
    ///
    /// # Safety
    ///
    /// As for [`Table::set`].
    pub unsafe fn write(&self, index: usize, entry: u64) {
        // SAFETY: the index is checked, and the caller vouches that nobody else accesses the table.
        unsafe { (&raw mut (*self.0.get())[index]).write_volatile(entry) };
    }
}

/// Drops this CPU's translations, after its tables have changed.
pub fn forget_translations() {
    // SAFETY: translations are looked up again where they are needed.
    unsafe { asm!("dsb ishst", "tlbi vmalle1", "dsb nsh", "isb", options(nostack)) };
}

static KERNEL_BLOCKS: Table = Table::new();
static USER_BLOCKS: Table = Table::new();
static BEYOND_BLOCKS: Table = Table::new();
static ROOTS: [Table; MAX_CPUS] = [const { Table::new() }; MAX_CPUS];

/// The table that TTBR1_EL1 of this CPU points to: an entry for each window.
pub fn root() -> &'static Table {
    &ROOTS[cpu::index()]
}

/// The entry of [`root`] for [`WALK`].
pub const WALK_ENTRY: usize = 3;

/// Fills the tables. Called once, before any other CPU is started.
pub fn fill() {
    for gib in 0..512 {
        let base = gib as u64 * GIB;
        let memory = base | MEMORY | BLOCK;
        // SAFETY: nothing uses the windows yet.
        unsafe {
            KERNEL_BLOCKS.set(gib, memory);
            USER_BLOCKS.set(gib, memory | EL0_TOO);
            BEYOND_BLOCKS.set(gib, memory + SIZE);
        }
    }
}

/// Opens the windows on this CPU.
pub fn open() {
    let root = root();
    for (index, table) in [&KERNEL_BLOCKS, &USER_BLOCKS, &BEYOND_BLOCKS].into_iter().enumerate() {
        // SAFETY: nothing on this CPU uses the windows yet.
        unsafe { root.set(index, table.address() | TABLE) };
    }
    let tcr = read_register!("tcr_el1") & !TCR_UPPER | TCR_WINDOWS;
    let sctlr = read_register!("sctlr_el1") | SCTLR_FOR_EL0;
    // SAFETY: adds the upper half of the address space, which nothing used, and allows EL0 more. The lower
    // half, where this code is, stays as it is.
    unsafe {
        asm!("msr ttbr1_el1, {}", "msr tcr_el1, {}", "msr sctlr_el1, {}", "msr cpacr_el1, {}", "isb",
            in(reg) root.address(), in(reg) tcr, in(reg) sctlr, in(reg) VECTORS, options(nostack));
    }
    forget_translations();
}
