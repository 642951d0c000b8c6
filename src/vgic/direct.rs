//! Interrupts that go to the guest with no exit: [`Delivery::Direct`](super::Delivery::Direct).
//!
//! The guest takes its interrupts from the physical CPU interface, all of them in Group 1, while
//! EL2 keeps Group 0 (HCR_EL2.IMO = 0, FMO = 1; GICD_CTLR.DS = 1). So the physical GIC knows what is
//! pending and what is active, SGIs included, and the guest's accesses to the frames become accesses
//! to it, cut to what the partition owns. IGROUPR reads as ones and ignores writes, for Group 0 is
//! EL2's.
//!
//! What EL2 keeps is what the physical registers cannot hold for it: ISENABLER while GICD_CTLR of
//! the guest disables the group, priorities as they were written, IROUTER in the guest's affinities,
//! and the lines of the devices that EL2 emulates. Their interrupts are SPIs that no device of the
//! machine has. EL2 makes one pending when its line rises, and again after each access that leaves it
//! high: the guest may have taken the interrupt before, which makes it active and pending then. When the
//! line falls it is pending no more, even if the guest made it so by ISPENDR. docs/description.md lists this
//! with the other differences to a GIC that the guest has for itself.

use super::controller::Vgic;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, bits};

impl Vgic {
    /// Gives the physical interrupts the priorities that the guest set.
    pub(super) fn pass_priorities(&self, set: IntidSet, hw: &mut impl Hardware) {
        let bank = self.bank(set);
        for bit in bits(set.mask() & bank.hardware) {
            hw.set_priority(set, bit, bank.entries[bit].priority());
        }
    }

    /// Enables what the guest has enabled, and disables the rest, for all interrupts.
    pub(super) fn pass_enables(&self, hw: &mut impl Hardware) {
        for bank in &self.banks {
            self.pass_enables_of(bank.all, hw);
        }
    }

    /// The same for some. One that is routed nowhere, which the physical GIC cannot be told, is
    /// disabled there.
    pub(super) fn pass_enables_of(&self, set: IntidSet, hw: &mut impl Hardware) {
        let bank = self.bank(set);
        let mask = bank.hardware & set.mask();
        let on = bank.deliverable & mask & !bank.nowhere;
        let off = mask & !on;
        if on != 0 {
            hw.write_state(StateRegister::SetEnable, set.with(on));
        }
        if off != 0 {
            hw.write_state(StateRegister::ClearEnable, set.with(off));
        }
    }

    /// The pending or the active interrupts of a set.
    pub(super) fn read_physical_state(
        &self,
        pending: bool,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> u32 {
        let bank = self.bank(set);
        let state = if pending {
            hw.read_state(StateRegister::SetPending, set) | bank.line & !bank.edge
        } else {
            hw.read_state(StateRegister::SetActive, set)
        };
        state & bank.hardware & set.mask()
    }

    /// Sets or clears state bits.
    pub(super) fn write_physical_state(
        &mut self,
        register: StateRegister,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) {
        let enables = self.enables;
        let bank = self.bank_mut(set);
        let mask = bank.hardware & set.mask();
        match register {
            StateRegister::SetEnable | StateRegister::ClearEnable => {
                let on = register == StateRegister::SetEnable;
                bank.enabled = bank.enabled & !mask | if on { mask } else { 0 };
                bank.gate(enables);
                self.pass_enables_of(set, hw);
            }
            _ if mask != 0 => hw.write_state(register, set.with(mask)),
            _ => {}
        }
        let bank = self.bank(set);
        // A level that is high makes pending again what has just been enabled, cleared or ended.
        let level = bank.line & !bank.edge & mask;
        if level != 0 && register != StateRegister::SetPending {
            hw.write_state(StateRegister::SetPending, set.with(level));
        }
    }

    /// Passes on the line of a device that EL2 emulates.
    pub(super) fn set_physical_line(&mut self, set: IntidSet, high: bool, hw: &mut impl Hardware) {
        let bank = self.bank_mut(set);
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
