//! A vCPU: what it does to its partition when it traps, on the physical CPU that it lives on.

use alloc::sync::Arc;
use bulkhead::arch::intid::Intid;
use bulkhead::arch::system_registers::IdRegisters;
use bulkhead::operator::console::Tell;
use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::Workarounds;
use bulkhead::smccc::psci::Outcome;
use bulkhead::trap::stats::Counters;
use bulkhead::vgic::{
    Access, Arrivals, CpuMask, Delivery, Request, SgiRegister, SgiRoute, SgirRoute, Vgic,
};
use core::sync::atomic::{AtomicU8, Ordering};

use super::arch::reset;
use super::cpu;
use super::drivers::gic::{Gic, ThisCpu};
use super::partition::Partition;
use super::trap::vectors;

pub mod devices;
pub mod direct_interrupts;
pub mod enter;
pub mod idle;
pub mod rebuild;
pub mod recall;
pub mod uart;
pub mod vgic_hardware;

/// A vCPU, for as long as Bulkhead runs.
pub struct Vcpu {
    /// Whose it is.
    pub partition: &'static Partition,
    /// Its number in the partition.
    pub index: usize,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// What firmware offers on this CPU against speculation.
    pub workarounds: Workarounds,
    /// What the guest is told of this CPU.
    pub id: IdRegisters,
    /// How often it came here.
    pub counters: Counters,
    /// Where its SGIs go on GICv3.
    pub sgi_route: SgiRoute,
    /// Where they go on GICv2.
    pub sgir_route: SgirRoute,
    /// What of its interrupt controller needs no lock.
    pub arrivals: Arc<Arrivals>,
    /// ICC_PMR_EL1 as the guest wrote it, where its interrupts are direct.
    pub priority_mask: AtomicU8,
}

impl Vcpu {
    /// How the guest's interrupts come to it.
    #[inline(always)]
    pub fn delivery(&self) -> Delivery {
        self.partition.plan.delivery
    }

    /// Does something with the partition's interrupt controller, under its lock.
    pub fn with_vgic<T>(&self, work: impl FnOnce(&mut Vgic, &mut ThisCpu<'_>) -> T) -> T {
        work(&mut self.partition.state.lock().vgic, &mut ThisCpu(self))
    }

    /// The same, where other vCPUs may have to look at the result.
    pub fn update_vgic(&self, work: impl FnOnce(&mut Vgic, &mut ThisCpu<'_>) -> CpuMask) {
        let others = self.with_vgic(work);
        self.kick(others);
    }

    /// Makes others leave their guests, if there are any to.
    pub fn kick(&self, others: CpuMask) {
        if !others.is_empty() {
            self.partition.kick(others);
        }
    }

    /// Hands the guest an interrupt that came in on this CPU, on GICv2 an SGI from this vCPU. Returns
    /// whether the partition owns it.
    pub fn interrupt(&self, intid: Intid, source: u8) -> bool {
        let others = self.with_vgic(|vgic, hw| vgic.interrupt(intid, source, hw));
        self.kick(others.unwrap_or_default());
        others.is_some()
    }

    /// The virtual interface wants its list registers looked at.
    pub fn maintenance(&self) {
        self.update_vgic(|vgic, hw| vgic.maintenance(hw));
    }

    /// The guest sent an SGI by a system register.
    #[inline(always)]
    pub fn send_sgi(&self, register: SgiRegister, value: u64) {
        match (register, self.delivery()) {
            (SgiRegister::Sgi1, _) => self.send_physical_sgi(value),
            // All of its SGIs are in Group 1.
            (SgiRegister::Sgi0 | SgiRegister::Asgi1, Delivery::Direct) => {}
            (SgiRegister::Sgi0 | SgiRegister::Asgi1, Delivery::Trapped) => {
                self.send_virtual_sgi(register, value);
            }
        }
    }

    /// Sends an SGI without a physical one.
    pub fn send_virtual_sgi(&self, register: SgiRegister, value: u64) {
        self.update_vgic(|vgic, hw| vgic.send_sgi(register, value, hw));
    }

    /// The guest deactivated an interrupt that no list register may hold.
    pub fn deactivate(&self, value: u64) {
        self.access(Request::Deactivate(value));
    }

    /// A load from the distributor, in the usual case: see [`Vgic::plain_read`].
    #[inline(always)]
    pub fn plain_distributor_read(&self, offset: u64, size: u64) -> Option<u64> {
        let state = self.partition.state.try_lock()?;
        state.vgic.plain_read(Access { offset, size, value: 0 })
    }

    /// The same in any case.
    pub fn distributor_read(&self, offset: u64, size: u64) -> u64 {
        self.access(Request::DistributorRead(Access { offset, size, value: 0 }))
    }

    /// A store to the distributor.
    #[inline(never)]
    pub fn distributor_write(&self, offset: u64, size: u64, value: u64) {
        let access = Access { offset, size, value };
        if let Some(mut state) = self.partition.state.try_lock()
            && state.vgic.enable_in_distributor(access, &mut ThisCpu(self))
        {
            return;
        }
        self.access(Request::DistributorWrite(access));
    }

    /// A load from a redistributor.
    pub fn redistributor_read(&self, offset: u64, size: u64) -> u64 {
        self.access(Request::RedistributorRead(Access { offset, size, value: 0 }))
    }

    /// A store to a redistributor.
    #[inline(always)]
    pub fn redistributor_write(&self, offset: u64, size: u64, value: u64) {
        let access = Access { offset, size, value };
        if let Some(mut state) = self.partition.state.try_lock()
            && state.vgic.enable_in_redistributors(access, &mut ThisCpu(self))
        {
            return;
        }
        self.access(Request::RedistributorWrite(access));
    }

    /// Somebody rang: another vCPU of the partition, or the console for vCPU 0.
    pub fn answer_doorbell(&self) {
        self.answer_recall();
        let mut state = self.partition.state.lock();
        let others = state.vgic.refill(&mut ThisCpu(self));
        let told = if self.index == 0 { self.after_uart(&mut state) } else { Tell::No };
        let must_leave = state.must_leave(self.index);
        drop(state);
        self.tell_console(told);
        self.kick(others);
        if must_leave {
            self.leave();
        }
    }

    /// Leaves the guest, if it has no business there any more.
    pub fn leave_if_ended(&self) {
        let must_leave = self.partition.state.lock().must_leave(self.index);
        if must_leave {
            self.leave();
        }
    }

    /// A PSCI call.
    pub fn psci(&self, id: u32, arguments: [u64; 3]) -> Outcome {
        self.partition.state.lock().psci.call(self.index, id, arguments)
    }

    /// Turns this vCPU off: it waits for another one to start it.
    pub fn power_off(&self) -> ! {
        self.update_vgic(|vgic, hw| vgic.recall(hw));
        self.leave()
    }

    /// Ends the partition, on behalf of this vCPU.
    pub fn end(&self, end: End) -> ! {
        self.partition.begin_end(end);
        self.leave()
    }

    /// Leaves the guest for good, or until the vCPU is started again.
    fn leave(&self) -> ! {
        reset::silence(&self.id);
        if self.delivery() == Delivery::Direct {
            direct_interrupts::silence();
        }
        self.partition.leave(self.index);
        vectors::on_fresh_stack(cpu::current().stack_top(), idle::idle)
    }

    /// Runs the guest, if somebody has asked for this vCPU to start.
    pub fn start_if_asked(&self) {
        if let Some(start) = self.partition.take_start(self.index) {
            self.update_vgic(|vgic, hw| vgic.refill(hw));
            self.poll_watchdog();
            if self.delivery() == Delivery::Direct {
                direct_interrupts::reset(self.gic);
                self.priority_mask.store(0, Ordering::Relaxed);
            }
            enter::enter(self, start)
        }
    }
}
