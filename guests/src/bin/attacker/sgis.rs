//! SGIs to all targets, in all forms.

use runtime::tree::{Gic, machine};
use runtime::{mmio, write_register};

use crate::context::Context;
use crate::random::Random;
use crate::tally::{Attempts, Outcome};

const GICD_SGIR: u64 = 0xf00;
const GICD_CPENDSGIR: u64 = 0xf10;
const GICD_SPENDSGIR: u64 = 0xf20;

static SENT: Attempts = Attempts::new("SGIs", &[Outcome::Done]);

/// Sends SGIs with interrupts masked: they stay pending and are cleared at the end of the group.
pub fn send(context: &mut Context) {
    let random = &mut context.random;
    for _ in 0..context.rounds {
        match machine().gic {
            Gic::V2 { distributor, .. } => by_distributor(random, distributor),
            Gic::V3 { .. } => by_system_registers(random),
        }
    }
}

/// GICv2: every target list with every filter, then the set-pending and clear-pending registers.
fn by_distributor(random: &mut Random, distributor: u64) {
    for form in 0..0x400 {
        let (filter, targets) = (form >> 8, form & 0xff);
        for sgi in [0, random.below(16), 15] {
            let value = filter << 24 | targets << 16 | random.next() & 0xfc00_fff0 | sgi;
            store(distributor + GICD_SGIR, value);
        }
    }
    for sgi in 0..4 {
        for register in [GICD_SPENDSGIR, GICD_CPENDSGIR] {
            for _ in 0..64 {
                store(distributor + register + sgi * 4, random.value());
            }
        }
    }
}

fn store(register: u64, value: u64) {
    // SAFETY: a register of the interrupt controller, which the tree names; interrupts are masked.
    unsafe { mmio::write32(register, value as u32) };
    SENT.count(Outcome::Done, "");
}

/// GICv3: every Aff1 and every range of Aff0 with all targets, all CPUs except itself, and random
/// bits.
fn by_system_registers(random: &mut Random) {
    for form in 0..0x1000 {
        let (aff1, range) = (form >> 4, form & 0xf);
        let sgi = random.below(16) << 24;
        send_to(aff1 << 16 | range << 44 | sgi | 0xffff);
        send_to(random.next());
    }
    for sgi in 0..16 {
        send_to(1 << 40 | sgi << 24);
        send_to(sgi << 24 | 0xffff);
    }
}

/// Writes a value to each of ICC_SGI1R_EL1, ICC_ASGI1R_EL1 and ICC_SGI0R_EL1.
fn send_to(value: u64) {
    write_register!("ICC_SGI1R_EL1", value);
    write_register!("ICC_ASGI1R_EL1", value);
    write_register!("ICC_SGI0R_EL1", value);
    (0..3).for_each(|_| SENT.count(Outcome::Done, ""));
}
