//! Builds EL2's own translation tables: an identity mapping in which each part has the permissions
//! that it needs. All CPUs share it, but for the root table, which each has for itself.
//!
//! The first mappings are made with the MMU off, all others while the tables are in use.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::boot::audit::{self, Finding};
use bulkhead::boot::fdt::Tree;
use bulkhead::mm::tables::{Attributes, MapError, Table, Tables};
use bulkhead::mm::window::{MemoryTables, ROOT_BITS};
use core::arch::asm;
use core::cell::UnsafeCell;
use core::iter;

use super::refuse::refuse;
use crate::el2::arch::image::{MAX_CPUS, Wings};
use crate::el2::arch::{cache, image, memory};
use crate::el2::drivers::mmio::Registers;
use crate::el2::mm::fill;
use crate::el2::mm::live::{self, LIVE};
use crate::el2::mm::window::Root;

/// The number of tables for EL2's mappings: a few for the image, two or three for each region of
/// memory and each device that is far from the others.
const TABLES: usize = 96;
/// The number of tables used with the MMU off, for the image and the machine's tree: that of level
/// 1, and a few of the lower levels for each, even where they cross a multiple of 1 GiB.
const TABLES_AT_ENTRY: usize = 12;

/// The memory of EL2's tables.
#[repr(C)]
struct Pool {
    /// The root table of each CPU, at the number of its stack: one page.
    roots: [Root; MAX_CPUS],
    /// The tables of level 1 to 3, which all roots share.
    tables: UnsafeCell<[Table; TABLES]>,
}

// SAFETY: the roots are atomic. `init`, which runs once and only on the boot CPU, borrows the
// tables; afterwards they are accessed only through `LIVE`, which is a lock.
unsafe impl Sync for Pool {}

/// A static, because the first tables are written with the MMU off, when there is no heap.
#[unsafe(link_section = ".tables")]
static POOL: Pool = Pool {
    roots: [const { Root::new() }; MAX_CPUS],
    tables: UnsafeCell::new([const { Table::EMPTY }; TABLES]),
};

/// The Exception level at which the image was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExceptionLevel {
    /// EL1, where a hypervisor cannot run.
    El1,
    /// EL2, where Bulkhead runs.
    El2,
    /// EL2 with HCR_EL2.E2H = 1, which this CPU does not let be 0 (ID_AA64MMFR4_EL1.E2H0). There
    /// EL2's registers have other layouts.
    El2Host,
    /// EL3, where firmware runs.
    El3,
}

impl ExceptionLevel {
    /// Decodes CurrentEL\[3:2\], or 4 in its place (`entry.s`).
    pub fn from_current_el(level: u64) -> Self {
        match level {
            2 => Self::El2,
            3 => Self::El3,
            4 => Self::El2Host,
            _ => Self::El1,
        }
    }
}

/// The values of the registers that turn a CPU's MMU on.
#[derive(Clone, Copy)]
pub struct TranslationRegisters {
    /// MAIR_EL2: index 0 is Normal Write-Back memory, index 1 is Device-nGnRE memory, index 2 is
    /// index 0 with allocation tags, if the CPU has them.
    pub mair: u64,
    /// TCR_EL2.
    pub tcr: u64,
    /// TTBR0_EL2: the CPU's root table, which no other CPU uses (CnP = 0).
    pub ttbr: u64,
    /// SCTLR_EL2.
    pub sctlr: u64,
}

const MAIR: u64 = 0xff_04ff;
const MAIR_WITH_TAGS: u64 = 0xf0_04ff;
/// 41-bit addresses, 4 KiB granule, walks as Inner Shareable Write-Back accesses.
const TCR_WALK: u64 = (64 - ROOT_BITS as u64) | 0b01 << 8 | 0b01 << 10 | 0b11 << 12;
/// RES1 in TCR_EL2 and TCR_EL3.
const TCR_RES1: u64 = 1 << 31 | 1 << 23;
/// EPD1: no walks by TTBR1_EL1.
const TCR_EL1_EPD1: u64 = 1 << 23;
/// M, C, SA, I, WXN.
const SCTLR_ON: u64 = 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19;
const SCTLR_RES1: u64 = 0x30c5_0830;
/// ATA: EL2 can write allocation tags. TCF stays 0: no access of EL2's is checked against them.
const SCTLR_TAGS: u64 = 1 << 43;

/// Returns the values of EL2's translation registers for the CPU with this stack.
pub fn translation_registers(stack: usize) -> TranslationRegisters {
    let (mair, tags) = if fill::has_tags() { (MAIR_WITH_TAGS, SCTLR_TAGS) } else { (MAIR, 0) };
    TranslationRegisters {
        mair,
        tcr: TCR_WALK | TCR_RES1 | physical_size() << 16,
        ttbr: &raw const POOL.roots[stack] as u64,
        sctlr: SCTLR_RES1 | SCTLR_ON | tags,
    }
}

/// Returns ID_AA64MMFR0_EL1.PARange, limited to the 48 bits that the tables support.
fn physical_size() -> u64 {
    (ID_AA64MMFR0_EL1.get() & 0xf).min(5)
}

/// Maps the image and the firmware's tree, turns the MMU on and zeroes `.bss`. Until then no lock,
/// atomic or zeroed variable may be used.
pub fn init(level: ExceptionLevel, tree: Pa) {
    let base = Pa::new(POOL.tables.get() as u64);
    let first =
        Region::new(base, TABLES_AT_ENTRY as u64 * PAGE_SIZE).expect("the pool does not wrap");
    let [root, other_roots @ ..] = &POOL.roots;
    let root_line = Region::new(Pa::new(&raw const *root as u64), size_of_val(root) as u64)
        .expect("the pool does not wrap");
    // SAFETY: nothing has been stored in the pool, so no line holds data that is needed.
    unsafe {
        cache::invalidate(root_line);
        cache::invalidate(first);
    }
    // SAFETY: `entry::primary` calls this once, on the boot CPU, and nothing else borrows the
    // tables.
    let pool = unsafe { &mut *POOL.tables.get() };
    let mut tables = Tables::new(pool, base).expect("the pool is aligned and not empty");
    map_image(&mut tables).expect("the tables suffice for the image");
    if let Some(region) = tree_region(tree) {
        map_missing(&mut tables, region, Attributes::DATA)
            .expect("the tables suffice for the tree");
    }
    assert!(tables.tables_used() <= TABLES_AT_ENTRY, "TABLES_AT_ENTRY covers the first tables");
    root.set(MemoryTables::new(base));
    // SAFETY: with the MMU off all stores went to memory, so no line holds data that is needed. The
    // tables map the image, and the firmware's tree if there is one, to their own addresses.
    unsafe {
        cache::invalidate(root_line);
        cache::invalidate(tables.in_use().1);
        cache::invalidate(image::relocated());
        cache::invalidate(image::stack_at_entry());
        enable(level);
    }
    memory::mmu_is_on();
    let zeroed = image::zeroed();
    // SAFETY: this is `.bss`, which `map_image` mapped writable; no variable in it has been used.
    unsafe { (zeroed.start().get() as *mut u8).write_bytes(0, zeroed.size() as usize) };
    // SAFETY: the roots are mapped as the pool, of which this is a part; no CPU uses them before
    // `prepare_root`, and zeros are valid entries.
    unsafe { (other_roots.as_ptr() as *mut Root).write_bytes(0, other_roots.len()) };
    *LIVE.lock() = Some(tables);
}

/// Prepares the root table of a CPU that is about to be started, which has this stack: it leads to
/// the shared tables, and no window is open.
pub fn prepare_root(stack: usize) {
    POOL.roots[stack].set(MemoryTables::new(Pa::new(POOL.tables.get() as u64)));
    // For the CPU's walks, as in `add`.
    barrier::dsb(barrier::ISHST);
}

/// Maps the image's sections, and the boot CPU's stack, to their own addresses.
fn map_image(tables: &mut Tables<'_>) -> Result<(), MapError> {
    let sections = [
        (image::boot_code(), Attributes::CODE),
        (image::monitor_code(), Attributes::CODE),
        (image::entropy_code(), Attributes::CODE),
        (image::links_code(), Attributes::CODE),
        (image::pcie_code(), Attributes::CODE),
        (image::dma_code(), Attributes::CODE),
        (image::uart_code(), Attributes::CODE),
        (image::code(), Attributes::CODE),
        (image::boot_library_code(), Attributes::CODE),
        (image::constants(), Attributes::READ_ONLY),
        (image::data(), Attributes::DATA),
        (image::heap(), Attributes::DATA),
    ];
    for (region, attributes) in sections {
        map(tables, region, attributes)?;
    }
    map(tables, image::stack(0), Attributes::DATA)
}

/// Maps a region to its own address.
fn map(
    tables: &mut Tables<'_>,
    region: Region<Pa>,
    attributes: Attributes,
) -> Result<(), MapError> {
    tables.map(region.start(), region.start(), region.size(), attributes)
}

/// Maps those pages that `region` touches and that are not mapped to their own addresses.
fn map_missing(
    tables: &mut Tables<'_>,
    region: Region<Pa>,
    attributes: Attributes,
) -> Result<(), MapError> {
    let pages = region.page_aligned().ok_or(MapError::OutOfRange)?;
    tables.map_missing(pages.start(), pages.start(), pages.size(), attributes)
}

/// Returns the region of the firmware's tree, if there is one at this address. The arm64 boot
/// protocol requires that its address be a multiple of 8 and its size at most 2 MiB.
pub fn tree_region(tree: Pa) -> Option<Region<Pa>> {
    const HEADER_SIZE: usize = 40;
    const MAX_SIZE: usize = 2 << 20;
    if tree.get() == 0 || !tree.is_aligned(8) {
        return None;
    }
    // With the MMU off the header is read from memory, to which firmware may not have cleaned it.
    cache::clean_and_invalidate(Region::new(tree, HEADER_SIZE as u64)?);
    // SAFETY: the loader passed this address as that of a tree, and the header is readable, because
    // the MMU is off or `init` mapped the tree.
    let header = unsafe { core::slice::from_raw_parts(tree.get() as *const u8, HEADER_SIZE) };
    let size = Tree::total_size(header).ok()?;
    (size <= MAX_SIZE).then(|| Region::new(tree, size as u64))?
}

/// Turns the MMU and the caches on.
///
/// # Safety
///
/// - The tables must map the image and the stack to their own addresses.
/// - No cache may hold a stale line of what is accessed afterwards.
unsafe fn enable(level: ExceptionLevel) {
    let TranslationRegisters { mair, tcr, ttbr, sctlr } = translation_registers(0);
    // TCR_EL2 has this layout too where HCR_EL2.E2H = 1.
    let tcr_el1 = TCR_WALK | TCR_EL1_EPD1 | physical_size() << 32;
    let barriers = || {
        barrier::dsb(barrier::SY);
        barrier::isb(barrier::SY);
    };
    barriers();
    // SAFETY: by the caller's guarantees this code and its stack keep their addresses and contents.
    unsafe {
        match level {
            ExceptionLevel::El1 => {
                MAIR_EL1.set(mair);
                TCR_EL1.set(tcr_el1);
                TTBR0_EL1.set(ttbr);
                asm!("isb", "tlbi vmalle1", "ic iallu", options(nostack));
                barriers();
                SCTLR_EL1.set(0x30d0_0800 | SCTLR_ON);
            }
            ExceptionLevel::El2 | ExceptionLevel::El2Host => {
                MAIR_EL2.set(mair);
                TCR_EL2.set(if level == ExceptionLevel::El2 { tcr } else { tcr_el1 });
                TTBR0_EL2.set(ttbr);
                asm!("isb", "tlbi alle2", "ic iallu", options(nostack));
                barriers();
                SCTLR_EL2.set(sctlr);
            }
            ExceptionLevel::El3 => {
                asm!(
                    "msr mair_el3, {mair}",
                    "msr tcr_el3, {tcr}",
                    "msr ttbr0_el3, {ttbr}",
                    "isb",
                    "tlbi alle3",
                    "ic iallu",
                    mair = in(reg) mair,
                    tcr = in(reg) tcr,
                    ttbr = in(reg) ttbr,
                    options(nostack)
                );
                barriers();
                asm!("msr sctlr_el3, {}", in(reg) sctlr, options(nostack));
            }
        }
    }
    barriers();
}

/// Adds mappings to the tables in use, and makes them visible to every CPU's walks.
fn add(change: impl FnOnce(&mut Tables<'static>) -> Result<(), MapError>) {
    let mut live = LIVE.lock();
    let result = change(live.as_mut().expect("the MMU is on"));
    // An entry that becomes valid needs no invalidation (Arm ARM D8.17.1).
    barrier::dsb(barrier::ISHST);
    barrier::isb(barrier::SY);
    drop(live);
    if let Err(error) = result {
        // The trees determine how much must be mapped, so this is a refusal and not a panic.
        refuse(format_args!("EL2 cannot map everything that the trees name: {error:?}"));
    }
}

/// Maps a frame of registers that the machine's tree names, and returns access to it.
pub fn map_device(frame: Region<Pa>) -> Registers {
    add(|tables| map_missing(tables, frame, Attributes::DEVICE));
    // SAFETY: the frame's pages are mapped as Device memory by the line above or an earlier call,
    // and stay mapped, because EL2 unmaps only code and images; by the machine's tree they hold a
    // device's registers.
    unsafe { Registers::new(frame) }
}

/// Maps those pages of memory that `region` touches and that are not mapped.
pub fn map_memory(region: Region<Pa>) {
    add(|tables| map_missing(tables, region, Attributes::DATA));
}

/// Unmaps regions of memory from all CPUs, for good, but for leaves that reach beyond them. Nothing
/// may access them at their own addresses afterwards.
// A function of its own, which `tests/boot/audit.rs` changes.
#[inline(never)]
pub fn unmap_memory(regions: &[Region<Pa>]) {
    if let Some(tables) = LIVE.lock().as_mut() {
        regions.iter().for_each(|region| tables.unmap_leaves(*region));
    }
    live::invalidate();
}

/// Audits all CPUs' root tables and EL2's tables below. `closed` is the partitions' memory and
/// their images, which must not be accessible. The code of the wings that are used may be
/// executable.
///
/// # Errors
///
/// See [`audit::roots`] and [`audit::stage_1`].
pub fn audit(closed: &[Region<Pa>], wings: Wings) -> Result<(), Finding> {
    // What a CPU's TTBR0_EL2 points to is one of these (`translation_registers`).
    let shared = audit::roots(POOL.roots.iter().map(Root::entries))?;
    let live = LIVE.lock();
    let (pool, tables) = live.as_ref().expect("the MMU is on").in_use();
    let start = tables.start().get();
    let read = |table: Pa| pool[((table.get() - start) / PAGE_SIZE) as usize].descriptors();
    // In the order of the image, as the audit requires.
    let wings = wings.all().into_iter().filter(|(.., is_used)| *is_used).map(|(_, code, _)| code);
    let code: Vec<_> = iter::once(image::boot_code())
        .chain(wings)
        .chain([image::code(), image::boot_library_code()])
        .collect();
    audit::stage_1(shared, tables, &code, closed, &read)
}
