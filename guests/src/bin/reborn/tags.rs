//! Allocation tags (FEAT_MTE2): four bits for each 16 bytes of memory, which stores of data leave
//! as they are.

use core::arch::asm;

use runtime::tree::Memory;
use runtime::{fail, read_register};

/// The bytes with one tag.
const GRANULE: usize = 16;
/// The lowest bit of the tag in an address.
const SHIFT: u64 = 56;

/// Makes the guest's memory tagged. Returns `false` if the CPU has no tags.
pub fn enable() -> bool {
    /// SCTLR_EL1.ATA. TCF stays 0, so that no access is checked.
    const ACCESS: u64 = 1 << 43;
    /// MAIR_EL1: the runtime's index of Normal memory, with tags.
    const TAGGED: u64 = 0xf0;
    if read_register!("id_aa64pfr1_el1") >> 8 & 0xf < 2 {
        return false;
    }
    let mair = read_register!("mair_el1") & !0xff | TAGGED;
    let sctlr = read_register!("sctlr_el1") | ACCESS;
    // SAFETY: the memory stays Normal and write-back, and nothing of the guest has a tag.
    unsafe {
        asm!("dsb sy", "msr mair_el1, {}", "msr sctlr_el1, {}", "isb", "tlbi vmalle1", "dsb nsh",
            "isb", in(reg) mair, in(reg) sctlr, options(nostack));
    }
    true
}

/// Expects that no granule has a tag, and returns their number.
pub fn search(memory: Memory) -> u64 {
    let mut count = 0;
    for address in granules(memory) {
        if tag(address) != 0 {
            fail!("the tag of {address:#x} is {} already", tag(address));
        }
        count += 1;
    }
    count
}

/// Gives every granule a tag that is not zero.
pub fn set(memory: Memory) {
    for address in granules(memory) {
        let tag = address >> 4 & 0xf | 1;
        let tagged = address | tag << SHIFT;
        // SAFETY: changes the tag of memory that only this program uses.
        unsafe {
            asm!(".arch_extension memtag", "stg {}, [{}]", ".arch_extension nomemtag",
                in(reg) tagged, in(reg) address, options(nostack));
        }
        if self::tag(address) != tag {
            fail!("the tag of {address:#x} cannot be set");
        }
    }
}

fn granules(memory: Memory) -> impl Iterator<Item = u64> {
    (memory.base..memory.base + memory.size).step_by(GRANULE)
}

fn tag(address: u64) -> u64 {
    let mut tagged = address;
    // SAFETY: reads the tag of memory that the tree names.
    unsafe {
        asm!(".arch_extension memtag", "ldg {}, [{}]", ".arch_extension nomemtag",
            inout(reg) tagged, in(reg) address, options(nostack));
    }
    tagged >> SHIFT & 0xf
}
