//! Reads an instruction of a guest, as the guest itself could read it.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::Pa;
use core::arch::asm;

use super::fill::PartitionMemory;
use crate::el2::arch::registers::{read_register, write_register};

/// Why an instruction was not read.
pub enum Unreadable {
    /// The guest's own tables do not let it read the address.
    ByGuest,
    /// Stage 2 is being changed: the guest is to execute the instruction again.
    ForNow,
}

/// PAR_EL1.F: the translation failed.
const FAILED: u64 = 1;
/// PAR_EL1.S: it failed at stage 2.
const AT_STAGE_2: u64 = 1 << 9;
/// PAR_EL1.PA.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Reads the instruction at a virtual address of the guest that this CPU has left, with the rights
/// of EL0 if `is_el0`, of EL1 otherwise.
///
/// # Errors
///
/// See [`Unreadable`]. An address outside `memory`, the partition's own, cannot be read.
pub fn read(memory: &PartitionMemory, address: u64, is_el0: bool) -> Result<u32, Unreadable> {
    let par = translate(address, is_el0);
    if par & FAILED != 0 {
        let is_at_stage_2 = par & AT_STAGE_2 != 0;
        return Err(if is_at_stage_2 { Unreadable::ForNow } else { Unreadable::ByGuest });
    }
    let word = Pa::new(par & ADDRESS | address & 0xffc);
    memory.read_word(word).ok_or(Unreadable::ByGuest)
}

/// Translates a virtual address by the guest's tables and stage 2, and returns PAR_EL1, which keeps
/// the guest's value.
fn translate(address: u64, is_el0: bool) -> u64 {
    let saved = read_register!("par_el1");
    // SAFETY: AT changes PAR_EL1 only, which is restored below. Its walks access the partition's
    // memory alone: HCR_EL2.PTW makes a walk through Device memory fail, so no device can cause
    // an external abort here.
    unsafe {
        if is_el0 {
            asm!("at s12e0r, {}", in(reg) address, options(nostack));
        } else {
            asm!("at s12e1r, {}", in(reg) address, options(nostack));
        }
    }
    barrier::isb(barrier::SY);
    let par = read_register!("par_el1");
    write_register!("par_el1", saved);
    par
}
