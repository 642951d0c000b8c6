//! The attacker's stage 1 translation of the upper half of the address space: windows onto all
//! intermediate physical addresses, as Normal memory, for EL1 and for EL0.
//!
//! VMSAv8-64, 4 KiB granule, 41-bit addresses from level 0 by TTBR1 (Arm ARM D8).

use core::arch::asm;
use core::cell::UnsafeCell;

use runtime::cpu::{self, MAX_CPUS};
use runtime::read_register;

/// The size of a window: all addresses that stage 2 can translate.
pub const SIZE: u64 = 1 << 39;
const FIRST: u64 = 0xffff_fe00_0000_0000;
/// The window of EL1.
pub const KERNEL: u64 = FIRST;
/// The window of EL0.
pub const USER: u64 = FIRST + SIZE;
/// The window of EL1 onto the addresses above, which Bulkhead's stage 2 cannot translate.
pub const BEYOND: u64 = FIRST + 2 * SIZE;
/// The window whose tables point outside: see the module `walks`.
pub const WALK: u64 = FIRST + 3 * SIZE;

const GIB: u64 = 1 << 30;
const BLOCK: u64 = 0b01;
/// A descriptor of the next table, or at level 3 of a page.
pub const TABLE: u64 = 0b11;
/// Attributes of Normal memory, write-back and inner shareable, with the access flag.
pub const MEMORY: u64 = 1 << 10 | 0b11 << 8;
const EL0_TOO: u64 = 1 << 6;

/// SCTLR_EL1: EL0 may use DC ZVA (DZE), CTR_EL0 (UCT) and cache maintenance (UCI).
const SCTLR_FOR_EL0: u64 = 1 << 14 | 1 << 15 | 1 << 26;
/// CPACR_EL1.FPEN: vector registers do not trap.
const VECTORS: u64 = 0b11 << 20;
/// TCR_EL1: T1SZ, EPD1, IRGN1, ORGN1, SH1, TG1.
const TCR_UPPER: u64 = 0xffff_0000 & !(1 << 22);
/// 41 bits, table walks in inner-shareable write-back memory, 4 KiB granule.
const TCR_WINDOWS: u64 = 23 << 16 | 1 << 24 | 1 << 26 | 0b11 << 28 | 0b10 << 30;

/// A translation table.
#[repr(C, align(4096))]
pub struct Table(UnsafeCell<[u64; 512]>);

// SAFETY: a table is written by one CPU while no other uses it: shared ones by the boot CPU before
// it starts the others, the others by the CPU that owns them.
unsafe impl Sync for Table {}

impl Table {
    /// Returns a table without valid entries.
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; 512]))
    }

    /// Returns its address, which is its physical address too: the runtime maps memory by identity.
    pub fn address(&self) -> u64 {
        self.0.get() as u64
    }

    /// Changes an entry and invalidates this CPU's TLB.
    ///
    /// # Safety
    ///
    /// The CPU must not depend on the entry, and the table must be its own.
    pub unsafe fn set(&self, index: usize, entry: u64) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.write(index, entry) };
        invalidate_tlb();
    }

    /// Changes an entry of a table that no translation has used yet.
    ///
    /// # Safety
    ///
    /// As for [`Table::set`].
    pub unsafe fn write(&self, index: usize, entry: u64) {
        // SAFETY: the index is checked, and the caller guarantees that no other CPU accesses the
        // table.
        unsafe { (&raw mut (*self.0.get())[index]).write_volatile(entry) };
    }
}

/// Invalidates this CPU's TLB after its tables have changed.
pub fn invalidate_tlb() {
    // SAFETY: only barriers and TLB maintenance.
    unsafe { asm!("dsb ishst", "tlbi vmalle1", "dsb nsh", "isb", options(nostack)) };
}

static KERNEL_BLOCKS: Table = Table::new();
static USER_BLOCKS: Table = Table::new();
static BEYOND_BLOCKS: Table = Table::new();
static ROOTS: [Table; MAX_CPUS] = [const { Table::new() }; MAX_CPUS];

/// Returns the table of TTBR1_EL1 of this CPU, which has an entry for each window.
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
    // SAFETY: enables the upper half of the address space, which nothing uses, and permits EL0
    // more. The lower half, where this code is, does not change.
    unsafe {
        asm!("msr ttbr1_el1, {}", "msr tcr_el1, {}", "msr sctlr_el1, {}", "msr cpacr_el1, {}",
            "isb",
            in(reg) root.address(), in(reg) tcr, in(reg) sctlr, in(reg) VECTORS, options(nostack));
    }
    invalidate_tlb();
}
