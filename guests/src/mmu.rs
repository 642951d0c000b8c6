//! An identity map: memory is Normal and write-back, everything else below 512 GiB is Device memory
//! that cannot be executed. Atomic instructions need it.
//!
//! VMSAv8-64, 4 KiB granule, 39-bit addresses from level 1, blocks of 1 GiB and 2 MiB (Arm ARM D8).

use core::cell::UnsafeCell;
use core::ops::Range;

use crate::tree;

const GIB: u64 = 1 << 30;
const BLOCK: u64 = 2 << 20;
const ENTRIES: usize = 512;
/// The number of level 2 tables: one for each GiB that is not all of one kind.
const LEVEL_2_TABLES: usize = 8;

/// The start of a GiB in which no machine of the guests has anything. It is mapped as Normal
/// memory, so that the machine alone determines the result of an access, of an instruction fetch
/// too.
pub const NOWHERE: u64 = (ENTRIES as u64 - 1) * GIB;

const TABLE: u64 = 0b11;
const VALID: u64 = 0b01;
/// Access flag, inner shareable.
const ACCESSED: u64 = 1 << 10 | 0b11 << 8;
const EXECUTE_NEVER: u64 = 1 << 54 | 1 << 53;

/// The kind of a range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MemoryKind {
    /// Write-back cacheable memory, writable and executable.
    Normal,
    /// Device-nGnRE, writable, never executed.
    Device,
}

impl MemoryKind {
    const fn attributes(self) -> u64 {
        match self {
            MemoryKind::Normal => ACCESSED,
            MemoryKind::Device => ACCESSED | EXECUTE_NEVER | 1 << 2,
        }
    }
}

#[repr(C, align(4096))]
struct Tables {
    level_1: [u64; ENTRIES],
    level_2: [[u64; ENTRIES]; LEVEL_2_TABLES],
    used: usize,
}

/// The tables; the root is the first.
#[repr(transparent)]
pub(crate) struct Root(UnsafeCell<Tables>);

// SAFETY: only the boot CPU writes the tables, before it starts any other CPU.
unsafe impl Sync for Root {}

pub(crate) static ROOT: Root = Root(UnsafeCell::new(Tables {
    level_1: [0; ENTRIES],
    level_2: [[0; ENTRIES]; LEVEL_2_TABLES],
    used: 0,
}));

impl Tables {
    /// Maps whole blocks around `range`. Valid entries are not changed, so that no translation
    /// needs to be invalidated.
    fn map(&mut self, range: Range<u64>, kind: MemoryKind) {
        let mut at = range.start & !(BLOCK - 1);
        while at < range.end {
            let gib = (at / GIB) as usize % ENTRIES;
            let next_gib = (at | (GIB - 1)) + 1;
            if self.level_1[gib] == 0 && at.is_multiple_of(GIB) && next_gib <= range.end {
                self.level_1[gib] = at | kind.attributes() | VALID;
                at = next_gib;
                continue;
            }
            if let Some(table) = self.level_2(gib) {
                let entry = &mut table[(at / BLOCK) as usize % ENTRIES];
                if *entry == 0 {
                    *entry = at | kind.attributes() | VALID;
                }
            }
            at += BLOCK;
        }
    }

    fn level_2(&mut self, gib: usize) -> Option<&mut [u64; ENTRIES]> {
        let first = self.level_2.as_ptr() as u64;
        let size = size_of::<[u64; ENTRIES]>() as u64;
        match self.level_1[gib] {
            0 => {
                let index = self.used;
                self.used += 1;
                self.level_1[gib] = (first + index as u64 * size) | TABLE;
                Some(&mut self.level_2[index])
            }
            entry if entry & TABLE == TABLE => {
                let index = ((entry & !TABLE) - first) / size;
                Some(&mut self.level_2[index as usize])
            }
            _ => None,
        }
    }
}

/// Maps the image and the tree, which the guest needs before it can read the tree. Called with the
/// MMU off.
#[unsafe(no_mangle)]
extern "C" fn map_image(tree: u64) {
    unsafe extern "C" {
        static __image_start: u8;
        static __image_end: u8;
    }
    let image = &raw const __image_start as u64..&raw const __image_end as u64;
    // SAFETY: the boot CPU alone runs, and no other reference to the tables is alive.
    let tables = unsafe { &mut *ROOT.0.get() };
    tables.map(image, MemoryKind::Normal);
    tables.map(tree..tree + BLOCK, MemoryKind::Normal);
}

/// Maps the memory, the disks and the shared memory that the tree names, and everything else as Device memory.
pub(crate) fn map_all(machine: &tree::Machine) {
    // SAFETY: as in `map_image`: called once, by the boot CPU, before it starts another.
    let tables = unsafe { &mut *ROOT.0.get() };
    let memory = machine.memory().iter().chain(machine.disks().iter().map(|disk| &disk.memory));
    for region in memory.copied().chain(machine.shared_memory().map(|it| it.memory)) {
        tables.map(region.base..region.base.saturating_add(region.size), MemoryKind::Normal);
    }
    tables.map(0..NOWHERE, MemoryKind::Device);
    tables.map(NOWHERE..NOWHERE + GIB, MemoryKind::Normal);
    // SAFETY: only barriers: the table walker sees the entries before the next access.
    unsafe { core::arch::asm!("dsb ishst", "isb", options(nostack)) };
}
