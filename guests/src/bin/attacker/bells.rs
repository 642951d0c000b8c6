//! A hostile user of shared memory: rings its peers as often as it can, and accesses the doorbells'
//! registers in every size and at every offset.

use runtime::tree::{SharedMemory, machine};
use runtime::{fail, mmio, println, secondary};

use crate::context::{Context, count};
use crate::random::Random;

/// The number of bells and of other accesses in a round.
const BELLS: u64 = 64;
const ACCESSES: u64 = 64;
/// The doorbell's register that rings, and the value that rings all.
const RING: u64 = 0x0c;
const ALL: u32 = u32::MAX;

/// Attacks all doorbells, `rounds=N` times each (1), on all CPUs.
pub fn attack() {
    if machine().shared_memory().next().is_none() {
        fail!("there is no shared memory");
    }
    for index in 1..count() {
        if let Err(error) = secondary::start(index, attack_on) {
            fail!("CPU_ON of CPU {index} returns {error:?}");
        }
    }
    attack_on(0);
    println!("attacker: {} bells on each CPU", Context::new(0).rounds * BELLS);
}

/// Carries out the attack of one CPU.
fn attack_on(index: usize) {
    let mut context = Context::new(index);
    for _ in 0..context.rounds {
        for shared in machine().shared_memory() {
            for _ in 0..BELLS {
                // SAFETY: a register of the doorbell, which the tree names.
                unsafe { mmio::write32(shared.registers + RING, ALL) };
            }
            for _ in 0..ACCESSES {
                access(&shared, &mut context.random);
            }
        }
    }
}

/// Accesses a register, or what is beside one, and writes into the memory.
fn access(shared: &SharedMemory, random: &mut Random) {
    let size = 1 << random.below(4);
    // Most registers are at the start. An access that is not aligned would be a fault.
    let end = if random.below(2) == 0 { 0x20 } else { 0x1000 };
    let offset = random.below(end) & !(size - 1);
    let (register, value) = (shared.registers + offset, random.value());
    let word = shared.memory.base + (random.below(shared.memory.size) & !7);
    // SAFETY: registers of the doorbell, which the tree names, and memory that nothing else of this
    // guest uses.
    unsafe {
        match (size, random.below(2)) {
            (1, _) => mmio::write8(register, value as u8),
            (4, 0) => drop(mmio::read32(register)),
            (4, _) => mmio::write32(register, value as u32),
            (8, 0) => drop(mmio::read64(register)),
            (8, _) => mmio::write64(register, value),
            _ => (register as *mut u16).write_volatile(value as u16),
        }
        mmio::write64(word, value);
    }
}
