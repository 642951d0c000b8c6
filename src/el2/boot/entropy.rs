//! Collects what the machine's sources of entropy give, before the partitions are built.

use alloc::boxed::Box;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::machine::{Machine, Seeds, firmware_seeds};
use bulkhead::entropy::{ENOUGH, Pool, Source, scrub_stack};
use core::arch::asm;

use super::FirmwareTree;
use crate::el2::arch::cache;
use crate::el2::arch::firmware::{Firmware, RANDOM_WORDS};
use crate::el2::arch::registers::read_register;

/// How often a source is asked that has no entropy at the moment.
const TRIES: usize = 16;

/// Returns what all sources of the machine give; `None` if it has none. What guests get is in
/// [`Machine::seeds`] then. The pool is on the heap from the start, so that no copy of it stays on
/// the stack.
pub fn collect(firmware: &mut FirmwareTree, machine: &mut Machine) -> Option<Box<Pool>> {
    let mut pool = Box::<Pool>::default();
    firmware.seeds.reserve(2);
    for (source, seed) in firmware_seeds(&firmware.tree) {
        pool.add(source, seed);
        let offset = firmware.tree.offset_of(seed);
        let place = offset.and_then(|it| firmware.region.part(it as u64, seed.len() as u64));
        // A tree that is not in memory, such as in flash, cannot be changed.
        let is_memory = |place: &Region<Pa>| machine.memory.iter().any(|bank| bank.covers(place));
        firmware.seeds.extend(place.filter(is_memory));
    }
    // ID_AA64ISAR0_EL1.RNDR.
    if read_register!("id_aa64isar0_el1") >> 60 > 0 {
        add_registers(&mut pool);
        scrub_stack();
    }
    let firmware = Firmware::find(machine.psci);
    if let Some(firmware) = firmware.filter(|it| it.has_smccc_1_1() && it.has_trng()) {
        add_firmware(&mut pool, firmware);
        scrub_stack();
    }
    machine.seeds = match pool.size() {
        0 => Seeds::None,
        1..ENOUGH => Seeds::Kaslr,
        _ => Seeds::All,
    };
    (pool.size() > 0).then_some(pool)
}

/// Adds as many random numbers of the CPU as a pool needs.
// Not inlined, so that all it leaves on the stack is below its caller's frame.
#[inline(never)]
fn add_registers(pool: &mut Pool) {
    for _ in 0..ENOUGH / size_of::<u64>() {
        if let Some(number) = (0..TRIES).find_map(|_| reseeded()) {
            pool.add(Source::Register, &number.to_le_bytes());
        }
    }
}

/// Returns RNDRRS, for which the CPU's generator is reseeded; `None` if that takes too long at the
/// moment (Arm ARM D24.2, NZCV is 0b0100 then). The CPU must have FEAT_RNG.
fn reseeded() -> Option<u64> {
    let (number, is_valid): (u64, u64);
    // SAFETY: the instructions write only the two registers and the flags.
    unsafe {
        asm!(
            "mrs {}, S3_3_C2_C4_1",
            "cset {}, ne",
            out(reg) number,
            out(reg) is_valid,
            options(nomem, nostack)
        );
    }
    (is_valid != 0).then_some(number)
}

/// Adds what firmware's TRNG gives in two calls, which is more than a pool needs. Firmware must have
/// one.
// Not inlined, so that all it leaves on the stack is below its caller's frame.
#[inline(never)]
fn add_firmware(pool: &mut Pool, firmware: Firmware) {
    for _ in 0..ENOUGH.div_ceil(RANDOM_WORDS * size_of::<u64>()) {
        if let Some(words) = (0..TRIES).find_map(|_| firmware.random()) {
            pool.add(Source::Firmware, words.map(u64::to_le_bytes).as_flattened());
        }
    }
}

/// Overwrites the firmware's seeds in the memory of the machine's tree.
///
/// # Safety
///
/// - Nothing may read the tree afterwards.
/// - Only one CPU may call this.
pub unsafe fn wipe_seeds(firmware: &FirmwareTree) {
    for seed in &firmware.seeds {
        // SAFETY: the seed is a part of the tree, which `mmu::init` mapped writable and no
        // partition owns; the caller guarantees that nothing reads it afterwards.
        unsafe { (seed.start().get() as *mut u8).write_bytes(0, seed.size() as usize) };
        cache::clean_and_invalidate(*seed);
    }
}
