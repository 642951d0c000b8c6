//! Delivery by list registers: what accesses to the distributor and lines of emulated devices do.

use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS};
use super::list_register::ListRegister;
use super::list_registers::ListRegisters;
use super::recall::{Kicks, Recall};
use super::state::GicState;

impl ListRegisters {
    /// Empties this CPU's list registers and discards the physical SGIs that arrived here.
    pub fn reset_private(&mut self, gic: &mut GicState, hw: &mut impl Hardware) {
        // SGIs sent before the restart, which can arrive until then.
        hw.clear_sgis();
        let private = IntidSet::new(hw.vcpu(), 0, SGIS);
        gic.bank_mut(private).write_sgi_states(StateRegister::ClearPending, SGIS);
        self.count = hw.list_registers().min(16);
        for index in 0..self.count {
            hw.write_list_register(index, ListRegister::EMPTY);
        }
        hw.set_maintenance(0);
        hw.take_eoi_count();
    }

    /// Sets the line of a virtual-only interrupt: see [`Vgic::set_line`](super::Vgic::set_line).
    pub fn set_line(
        &mut self,
        gic: &mut GicState,
        set: IntidSet,
        high: bool,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        let bank = gic.bank_mut(set);
        if bank.virtual_only & set.mask() == 0 || (bank.line & set.mask() != 0) == high {
            return CpuMask::EMPTY;
        }
        bank.line ^= set.mask();
        if high {
            bank.latched |= bank.edge & set.mask();
        }
        self.update_busy(gic, set);
        let holders = self.holders(gic, set);
        self.require_full_refill(gic, holders);
        self.deliver(gic, holders, set, hw)
    }

    /// Moves these interrupts out of all list registers, so that their state is in memory alone.
    /// This can recall only this CPU's list registers.
    pub fn withdraw(&mut self, gic: &mut GicState, set: IntidSet, hw: &mut impl Hardware) -> Kicks {
        self.revoke(gic, set);
        let is_enabled = gic.vcpus[hw.vcpu()].arrivals.is_enabled();
        // The usual case first: no other vCPU can hold one of them, and this one holds none at all.
        let is_own = set.word() == 0 && set.owner() == hw.vcpu() || gic.vcpus.len() == 1;
        if is_enabled && is_own && !hw.empty_list_registers() & self.mask() == 0 {
            return Ok(CpuMask::EMPTY);
        }
        let holders = self.holders(gic, set);
        let others = holders.without(hw.vcpu());
        if !others.is_empty() {
            self.is_long = true;
            return Err(Recall(others));
        }
        if !is_enabled {
            self.is_long = true;
        } else if holders.is_empty() {
            // No interrupt is left in memory, so none has overflowed.
            return Ok(CpuMask::EMPTY);
        }
        Ok(self.recall(gic, hw))
    }

    /// Returns the pending or the active interrupts of a set.
    pub fn read_state(
        &self,
        gic: &GicState,
        pending: bool,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> Result<u32, Recall> {
        let holders = self.holders(gic, set);
        Recall::of(holders.without(hw.vcpu()))?;
        let bank = gic.bank(set);
        let mut state = if pending { bank.pending() } else { bank.active };
        if pending && bank.hardware != 0 {
            state |= hw.read_state(StateRegister::SetPending, set) & bank.hardware;
        }
        for vcpu in holders {
            for (index, injected) in gic.vcpus[vcpu].arrivals.all_injected() {
                if injected / 32 == set.word() {
                    let lr = hw.read_list_register(index);
                    let is_set = if pending { lr.is_pending() } else { lr.is_active() };
                    state |= u32::from(is_set) << (injected % 32);
                }
            }
        }
        Ok(state)
    }

    /// Returns the source from which an SGI of this vCPU is pending in a list register, as a mask.
    pub fn sgi_source(gic: &GicState, sgi: usize, hw: &mut impl Hardware) -> u8 {
        let held = gic.vcpus[hw.vcpu()].arrivals.all_injected();
        held.filter(|(_, injected)| *injected == sgi).fold(0, |sources, (index, _)| {
            let lr = hw.read_list_register(index);
            sources | u8::from(lr.is_pending()).wrapping_shl(lr.source().into())
        })
    }

    /// Sets or clears state bits of interrupts that are in no list register.
    pub fn write_state(
        &mut self,
        gic: &mut GicState,
        register: StateRegister,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) {
        let mask = set.mask();
        let enables = gic.enables;
        let bank = gic.bank_mut(set);
        let hardware = bank.hardware & mask;
        let mut forward = |register, mask| {
            if mask != 0 {
                hw.write_state(register, set.with(mask));
            }
        };
        match register {
            StateRegister::SetEnable | StateRegister::ClearEnable => {
                let on = register == StateRegister::SetEnable;
                bank.set_enabled(on, mask, enables);
                return forward(register, hardware);
            }
            StateRegister::SetPending => {
                // An interrupt that EL2 has acknowledged must not become pending a second time.
                forward(register, hardware & !bank.latched);
                bank.latched |= bank.virtual_only & mask;
            }
            StateRegister::ClearPending => {
                forward(register, hardware);
                // Physically inactive, it becomes pending again if its line is still high.
                forward(StateRegister::ClearActive, hardware & bank.latched);
                bank.latched &= !mask;
            }
            StateRegister::SetActive => {
                let started = mask & !bank.active;
                forward(register, hardware & started);
                // Only the physical GIC can have a hardware interrupt both pending and active.
                let both = hardware & started & bank.latched;
                forward(StateRegister::SetPending, both & bank.edge);
                bank.latched &= !both;
                bank.activate(started);
            }
            StateRegister::ClearActive => return self.clear_active(gic, set, hw),
        }
        if set.word() == 0 {
            gic.bank_mut(set).write_sgi_states(register, mask & SGIS);
        }
        self.update_busy(gic, set);
    }
}
