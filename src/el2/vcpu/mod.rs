//! A vCPU on the physical CPU that it lives on.

mod devices;
mod direct_interrupts;
mod enter;
mod flow;
mod interrupts;
mod rebuild;
mod recall;
pub mod resident;
mod run;
mod uart;

use alloc::sync::Arc;
use bulkhead::arch::intid::Intid;
use bulkhead::arch::system_registers::IdRegisters;
use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::Workarounds;
use bulkhead::smccc::psci::PsciOutcome;
use bulkhead::trap::stats::Counters;
use bulkhead::vgic::{
    Arrivals, CpuMask, Delivery, RegisterAccess, Request, SgiRegister, SgiRoute, SgirRoute, Vgic,
};
use core::sync::atomic::{AtomicU8, Ordering};

use super::arch::reset;
use super::drivers::gic::{Gic, ThisCpu, VcpuPosition};
use super::partition::Partition;

pub use enter::leave;
pub use flow::Flow;
pub use interrupts::{take, take_own};
pub use run::{settle, start_guests};

/// A vCPU.
pub struct Vcpu {
    /// Its partition.
    pub partition: &'static Partition,
    /// Its number, its partition's physical CPUs and the interrupt controller.
    pub position: VcpuPosition,
    /// The mitigations that firmware offers on this CPU.
    pub workarounds: Workarounds,
    /// The ID registers that the guest sees.
    pub id: IdRegisters,
    /// Counts its exits.
    pub counters: Counters,
    /// How its SGIs are sent by ICC_SGI1R_EL1.
    pub sgi_route: SgiRoute,
    /// How its SGIs are sent by GICD_SGIR.
    pub sgir_route: SgirRoute,
    /// The part of its interrupt controller that needs no lock.
    pub arrivals: Arc<Arrivals>,
    /// ICC_PMR_EL1 as the guest wrote it, where its interrupts are direct.
    pub priority_mask: AtomicU8,
}

impl Vcpu {
    /// Returns its number in the partition.
    #[inline(always)]
    pub fn index(&self) -> usize {
        self.position.vcpu
    }

    /// Returns the machine's interrupt controller.
    #[inline(always)]
    pub fn gic(&self) -> &'static Gic {
        self.position.gic
    }

    /// Returns how the guest's interrupts are delivered.
    #[inline(always)]
    pub fn delivery(&self) -> Delivery {
        self.partition.plan.delivery
    }

    /// Works on the partition's interrupt controller, under its lock.
    pub fn with_vgic<T>(&self, work: impl FnOnce(&mut Vgic, &mut ThisCpu<'_>) -> T) -> T {
        work(&mut self.partition.state.lock().vgic, &mut ThisCpu(&self.position))
    }

    /// Does the same, and kicks the vCPUs that the result concerns.
    pub fn update_vgic(&self, work: impl FnOnce(&mut Vgic, &mut ThisCpu<'_>) -> CpuMask) {
        let others = self.with_vgic(work);
        self.kick(others);
    }

    /// Kicks other vCPUs of the partition, if there are any in the mask.
    pub fn kick(&self, others: CpuMask) {
        if !others.is_empty() {
            self.partition.kick(others);
        }
    }

    /// Injects an interrupt that came in on this CPU; `source` is the sending vCPU of a GICv2 SGI.
    /// Returns whether the partition owns it.
    pub fn interrupt(&self, intid: Intid, source: u8) -> bool {
        let others = self.with_vgic(|vgic, hardware| vgic.interrupt(intid, source, hardware));
        self.kick(others.unwrap_or_default());
        others.is_some()
    }

    /// Handles the maintenance interrupt of the virtual CPU interface.
    pub fn maintenance(&self) {
        self.update_vgic(|vgic, hardware| vgic.maintenance(hardware));
    }

    /// Sends the SGI of a write to a system register.
    #[inline(always)]
    pub fn send_sgi(&self, register: SgiRegister, value: u64) {
        match (register, self.delivery()) {
            (SgiRegister::Sgi1, _) => self.send_physical_sgi(value),
            // With direct delivery all SGIs of the guest are in Group 1.
            (SgiRegister::Sgi0 | SgiRegister::Asgi1, Delivery::Direct) => {}
            (SgiRegister::Sgi0 | SgiRegister::Asgi1, Delivery::Trapped) => {
                self.send_virtual_sgi(register, value);
            }
        }
    }

    /// Sends an SGI that is not backed by a physical one.
    pub fn send_virtual_sgi(&self, register: SgiRegister, value: u64) {
        self.update_vgic(|vgic, hardware| vgic.send_sgi(register, value, hardware));
    }

    /// Deactivates an interrupt that may be in no list register.
    pub fn deactivate(&self, value: u64) {
        self.access(Request::Deactivate(value));
    }

    /// Loads from the distributor in the common case: see [`Vgic::plain_read`].
    #[inline(always)]
    pub fn plain_distributor_read(&self, offset: u64, size: u64) -> Option<u64> {
        let state = self.partition.state.try_lock()?;
        state.vgic.plain_read(RegisterAccess { offset, size, value: 0 })
    }

    /// Loads from the distributor in any case.
    pub fn distributor_read(&self, offset: u64, size: u64) -> u64 {
        self.access(Request::DistributorRead(RegisterAccess { offset, size, value: 0 }))
    }

    /// Stores to the distributor.
    #[inline(never)]
    pub fn distributor_write(&self, offset: u64, size: u64, value: u64) {
        let access = RegisterAccess { offset, size, value };
        if let Some(mut state) = self.partition.state.try_lock()
            && state.vgic.enable_in_distributor(access, &mut ThisCpu(&self.position))
        {
            return;
        }
        self.access(Request::DistributorWrite(access));
    }

    /// Loads from a redistributor.
    pub fn redistributor_read(&self, offset: u64, size: u64) -> u64 {
        self.access(Request::RedistributorRead(RegisterAccess { offset, size, value: 0 }))
    }

    /// Stores to a redistributor.
    #[inline(always)]
    pub fn redistributor_write(&self, offset: u64, size: u64, value: u64) {
        let access = RegisterAccess { offset, size, value };
        if let Some(mut state) = self.partition.state.try_lock()
            && state.vgic.enable_in_redistributors(access, &mut ThisCpu(&self.position))
        {
            return;
        }
        self.access(Request::RedistributorWrite(access));
    }

    /// Looks at what has changed, after a kick by another vCPU of the partition or by the console.
    pub fn answer_kick(&self) -> Flow {
        self.answer_recall();
        let mut state = self.partition.state.lock();
        let others = state.vgic.refill(&mut ThisCpu(&self.position));
        let told = (self.index() == 0).then(|| self.poll_uart(&mut state));
        let must_leave = state.must_leave(self.index());
        drop(state);
        if let Some(told) = told {
            self.partition.port.notify(told);
        }
        self.kick(others);
        if must_leave { Flow::Leave } else { Flow::Resume }
    }

    /// Returns whether the vCPU is to leave its guest, because its partition is stopping.
    pub fn must_leave(&self) -> bool {
        self.partition.state.lock().must_leave(self.index())
    }

    /// Carries out a PSCI call of the guest.
    pub fn psci(&self, id: u32, arguments: [u64; 3]) -> PsciOutcome {
        self.partition.state.lock().psci.call(self.index(), id, arguments)
    }

    /// Turns this vCPU off until another one starts it.
    pub fn power_off(&self) -> Flow {
        self.update_vgic(|vgic, hardware| vgic.recall(hardware));
        Flow::Leave
    }

    /// Stops the partition.
    pub fn end(&self, end: End) -> Flow {
        self.partition.begin_end(end);
        Flow::Leave
    }

    /// Prepares this CPU for the guest of a vCPU that starts.
    fn prepare(&self) {
        self.update_vgic(|vgic, hardware| vgic.refill(hardware));
        self.poll_devices();
        if self.delivery() == Delivery::Direct {
            direct_interrupts::reset(self.gic());
            self.priority_mask.store(0, Ordering::Relaxed);
        }
    }

    /// Silences this CPU's interrupts of a guest that was left, and notes that it is left.
    fn retire(&self) {
        reset::silence(&self.id);
        if self.delivery() == Delivery::Direct {
            direct_interrupts::silence();
        }
        self.partition.leave(self.index());
    }
}
