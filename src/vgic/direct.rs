//! Direct delivery, [`Delivery::Direct`](super::Delivery::Direct): the guest takes its interrupts
//! without an exit.
//!
//! The guest uses the physical CPU interface, with all of its interrupts in Group 1, while EL2
//! keeps Group 0 (HCR_EL2.IMO = 0, FMO = 1; GICD_CTLR.DS = 1). The physical GIC has the pending and
//! active state, SGIs included, and a guest's access to a frame becomes an access to it, restricted
//! to the interrupts that the partition owns. IGROUPR reads as ones and ignores writes, since Group
//! 0 is EL2's.
//!
//! EL2 keeps what the physical registers cannot hold: ISENABLER while the guest's GICD_CTLR
//! disables the group, priorities as written, IROUTER in the guest's affinities, and the lines of
//! emulated devices. The interrupts of emulated devices are SPIs that no device of the machine
//! uses. EL2 makes one pending when its line rises and after each access to the device that leaves
//! it high, since the guest may have acknowledged it in between; the interrupt is then both active
//! and pending. When the line falls EL2 clears the pending state, even if the guest set it by
//! ISPENDR. docs/description.md lists the differences to a GIC that the guest owns.

use super::bank::Bank;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, bits};
use super::state::GicState;

/// Delivery by the physical CPU interface: [`Delivery::Direct`](super::Delivery::Direct).
#[derive(Debug)]
pub(super) struct Physical;

impl Physical {
    /// Puts all interrupts into Group 1.
    pub fn reset(gic: &mut GicState) {
        for bank in &mut gic.banks {
            bank.group1 = bank.owned();
        }
    }

    /// Writes the priorities that the guest set to the physical GIC.
    pub fn set_priorities(bank: &Bank, set: IntidSet, hw: &mut impl Hardware) {
        for bit in bits(set.mask() & bank.hardware) {
            hw.set_priority(set, bit, bank.templates[bit].priority());
        }
    }

    /// Enables the deliverable interrupts of a set in the physical GIC and disables the others. An
    /// interrupt routed to no existing vCPU is disabled, since the physical GIC has no such route.
    pub fn update_enables(gic: &GicState, set: IntidSet, hw: &mut impl Hardware) {
        let bank = gic.bank(set);
        let mask = bank.hardware & set.mask();
        let on = bank.deliverable & mask & !bank.unrouted;
        let off = mask & !on;
        if on != 0 {
            hw.write_state(StateRegister::SetEnable, set.with(on));
        }
        if off != 0 {
            hw.write_state(StateRegister::ClearEnable, set.with(off));
        }
    }

    /// Returns the pending or the active interrupts of a set.
    pub fn read_state(gic: &GicState, pending: bool, set: IntidSet, hw: &mut impl Hardware) -> u32 {
        let bank = gic.bank(set);
        let state = if pending {
            hw.read_state(StateRegister::SetPending, set) | bank.line & !bank.edge
        } else {
            hw.read_state(StateRegister::SetActive, set)
        };
        state & bank.hardware & set.mask()
    }

    /// Sets or clears state bits.
    pub fn write_state(
        gic: &mut GicState,
        register: StateRegister,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) {
        let enables = gic.enables;
        let bank = gic.bank_mut(set);
        let mask = bank.hardware & set.mask();
        match register {
            StateRegister::SetEnable | StateRegister::ClearEnable => {
                let on = register == StateRegister::SetEnable;
                bank.set_enabled(on, mask, enables);
                Self::update_enables(gic, set, hw);
            }
            _ if mask != 0 => hw.write_state(register, set.with(mask)),
            _ => {}
        }
        let bank = gic.bank(set);
        // An interrupt that was enabled, cleared or deactivated is pending again while its line is
        // high.
        let level = bank.line & !bank.edge & mask;
        if level != 0 && register != StateRegister::SetPending {
            hw.write_state(StateRegister::SetPending, set.with(level));
        }
    }

    /// Sets the line of an emulated device.
    pub fn set_line(gic: &mut GicState, set: IntidSet, high: bool, hw: &mut impl Hardware) {
        let bank = gic.bank_mut(set);
        let mask = bank.hardware & set.mask();
        let was_high = bank.line & mask != 0;
        let is_level = bank.edge & mask == 0;
        bank.line = bank.line & !mask | if high { mask } else { 0 };
        match (was_high, high) {
            (false, true) => hw.write_state(StateRegister::SetPending, set.with(mask)),
            (true, true) if is_level => {
                hw.write_state(StateRegister::SetPending, set.with(mask));
            }
            (true, false) if is_level => {
                hw.write_state(StateRegister::ClearPending, set.with(mask));
            }
            _ => {}
        }
    }
}
