//! vCPUs, each on the physical CPU that it is assigned to: entering and leaving guests, interrupts,
//! devices, recalls and rebuilding.

mod caches;
mod devices;
mod direct_interrupts;
mod enter;
mod flow;
mod interrupts;
mod links;
mod pci;
mod rebuild;
mod recall;
pub mod resident;
mod run;
mod uart;
mod virtual_timer;

use alloc::sync::Arc;
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::intid::Intid;
use bulkhead::arch::system_registers::IdRegisters;
use bulkhead::operator::console::Buffer;
use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::Workarounds;
use bulkhead::smccc::psci::PsciOutcome;
use bulkhead::trap::stats::{Cause, Counters};
use bulkhead::vgic::{
    Arrivals, CpuMask, Delivery, RegisterAccess, Request, SgiRegister, SgiRequest, SgiRoute,
    SgirRoute, Vgic,
};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::arch::{firmware, reset};
use super::cpu::{LINKS, MONITOR, ORDER, Seat, timer};
use super::drivers::gic::{Gic, ThisCpu, VcpuPosition};
use super::partition::{DeviceHeads, Partition};

pub use enter::leave_guest;
pub use flow::Flow;
pub use interrupts::{handle_interrupt, take, take_own, update_gic_again};
pub use run::{settle, start_guests};

/// A vCPU. Only the CPU that it is assigned to uses it, except that the monitor reads its counters.
/// The interrupt controller and the arrivals, which every interrupt needs, are neighbours.
#[repr(C)]
pub struct Vcpu {
    /// Its number, its partition's physical CPUs, and the interrupt controller.
    pub position: VcpuPosition,
    /// The part of the vGIC's state that this CPU uses without the partition's lock.
    pub arrivals: Arc<Arrivals>,
    /// The partition that owns it.
    pub partition: &'static Partition,
    /// Its place on its physical CPU.
    pub seat: &'static Seat,
    /// The buffer of the partition's output.
    pub output: &'static Buffer,
    /// The mitigations that firmware offers on this CPU.
    pub workarounds: Workarounds,
    /// The guest's view of the ID registers.
    pub id: IdRegisters,
    /// The number of its exits by cause.
    pub counters: Counters,
    /// The devices of its partition's links, for the vectors; `None` if there are none.
    pub link_devices: Option<&'static DeviceHeads>,
    /// How SGIs are sent that it writes to ICC_SGI1R_EL1.
    pub sgi_route: SgiRoute,
    /// How SGIs are sent that it writes to GICD_SGIR.
    pub sgir_route: SgirRoute,
    /// ICC_PMR_EL1 as the guest wrote it, with direct delivery.
    pub priority_mask: AtomicU8,
    /// The address from which on its partition's memory is still to be cleaned, 0 if no cleaning
    /// has begun; see `caches.rs`.
    pub cleaned: AtomicU64,
}

/// The offset of [`Vcpu::partition`] in bytes, for the vectors.
pub const PARTITION: usize = offset_of!(Vcpu, partition);
/// The offset of [`Vcpu::link_devices`] in bytes, for the vectors.
pub const LINK_DEVICES: usize = offset_of!(Vcpu, link_devices);
/// The offset of the counter of the exits that access devices of links, for the vectors.
pub const LINK_EXITS: usize = offset_of!(Vcpu, counters) + Counters::offset(Cause::Link);
/// The offset of [`Vcpu::output`] in bytes, for the vectors.
pub const OUTPUT: usize = offset_of!(Vcpu, output);
/// The offset of the counter of the exits that access the console's PL011, for the vectors.
pub const CONSOLE_EXITS: usize = offset_of!(Vcpu, counters) + Counters::offset(Cause::Console);

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

    /// Calls `operation` with the partition's vGIC, while holding the partition's lock.
    pub fn with_vgic<T>(&self, operation: impl FnOnce(&mut Vgic, &mut ThisCpu<'_>) -> T) -> T {
        operation(&mut self.partition.state.lock().vgic, &mut ThisCpu(&self.position))
    }

    /// Does the same, and kicks the vCPUs that `operation` returns.
    pub fn update_vgic(&self, operation: impl FnOnce(&mut Vgic, &mut ThisCpu<'_>) -> CpuMask) {
        let others = self.with_vgic(operation);
        self.kick(others);
    }

    /// Kicks other vCPUs of the partition, if the mask has any.
    // One copy for all callers.
    #[inline(never)]
    pub fn kick(&self, others: CpuMask) {
        if !others.is_empty() {
            self.partition.kick(others);
        }
    }

    /// Injects an interrupt that this CPU has acknowledged. `source` is the vCPU that sent it, if
    /// it is an SGI of a GICv2. Returns whether the partition owns the interrupt.
    pub fn interrupt(&self, intid: Intid, source: u8) -> bool {
        let others = self.with_vgic(|vgic, hardware| vgic.interrupt(intid, source, hardware));
        self.kick(others.unwrap_or_default());
        others.is_some()
    }

    /// Writes this CPU's list registers back.
    // One copy for all callers.
    #[inline(never)]
    fn recall(&self) {
        self.update_vgic(|vgic, hardware| vgic.recall(hardware));
    }

    /// Writes the interrupts that are due into this CPU's list registers.
    // One copy for all callers.
    #[inline(never)]
    fn refill(&self) {
        self.update_vgic(|vgic, hardware| vgic.refill(hardware));
    }

    /// Handles the maintenance interrupt of the virtual CPU interface.
    pub fn maintenance(&self) {
        self.update_vgic(|vgic, hardware| vgic.maintenance(hardware));
    }

    /// Sends the SGI of a write of `value` to a system register, other than by the fast path
    /// ([`Vcpu::send_physical_sgi`]).
    pub fn send_sgi(&self, register: SgiRegister, value: u64) {
        match (register, self.delivery()) {
            (SgiRegister::Sgi1, _) => self.send_to_each(SgiRequest::new(value)),
            // With direct delivery all of the guest's SGIs are in Group 1, which these do not send.
            (SgiRegister::Sgi0 | SgiRegister::Asgi1, Delivery::Direct) => {}
            (SgiRegister::Sgi0 | SgiRegister::Asgi1, Delivery::Trapped) => {
                self.send_virtual_sgi(register, value);
            }
        }
    }

    /// Sends an SGI as a virtual-only interrupt.
    pub fn send_virtual_sgi(&self, register: SgiRegister, value: u64) {
        self.update_vgic(|vgic, hardware| vgic.send_sgi(register, value, hardware));
    }

    /// Deactivates the interrupt of a write of `value` to ICC_DIR_EL1 or GICC_DIR.
    pub fn deactivate(&self, value: u64) {
        self.access(Request::Deactivate(value));
    }

    /// Loads from the distributor if no state of list registers is needed: see
    /// [`Vgic::plain_read`].
    #[inline(always)]
    pub fn plain_distributor_read(&self, offset: u64, size: u64) -> Option<u64> {
        let state = self.partition.state.try_lock()?;
        state.vgic.plain_read(RegisterAccess { offset, size, value: 0 })
    }

    /// Loads from the distributor.
    pub fn distributor_read(&self, offset: u64, size: u64) -> u64 {
        self.access(Request::DistributorRead(RegisterAccess { offset, size, value: 0 }))
    }

    /// Stores to the redistributors (`private`) or the distributor.
    // One copy for both.
    #[inline(never)]
    pub fn frame_write(&self, private: bool, offset: u64, size: u64, value: u64) {
        let access = RegisterAccess { offset, size, value };
        if let Some(mut state) = self.partition.state.try_lock()
            && state.vgic.enable_at_once(access, private, &mut ThisCpu(&self.position))
        {
            return;
        }
        self.access(if private {
            Request::RedistributorWrite(access)
        } else {
            Request::DistributorWrite(access)
        });
    }

    /// Loads from a redistributor.
    pub fn redistributor_read(&self, offset: u64, size: u64) -> u64 {
        self.access(Request::RedistributorRead(RegisterAccess { offset, size, value: 0 }))
    }

    /// Handles a kick by another vCPU of the partition or, on vCPU 0, by the console: checks what
    /// changed.
    pub fn handle_kick(&self) -> Flow {
        let requests = self.seat.wake.take_some(ORDER | MONITOR | LINKS);
        if requests & ORDER != 0 {
            self.partition.carry_out_order();
        }
        if requests & MONITOR != 0 {
            self.poll_monitor();
        }
        if requests & LINKS != 0 {
            self.poll_links();
        }
        self.handle_recall();
        let mut state = self.partition.state.lock();
        if state.must_leave(self.index()) {
            return Flow::Leave;
        }
        let others = state.vgic.refill(&mut ThisCpu(&self.position));
        // The console kicks vCPU 0; any vCPU continues what it has begun by virtio.
        let notify = match self.index() {
            0 => Some(self.poll_uart(&mut state)),
            _ if requests & LINKS != 0 => Some(self.poll_console(&mut state, false)),
            _ => None,
        };
        drop(state);
        if let Some(notify) = notify {
            self.notify_console(notify, timer::now());
        }
        self.kick(others);
        Flow::Resume
    }

    /// Returns whether the vCPU must leave its guest because its partition is stopping.
    pub fn must_leave(&self) -> bool {
        self.partition.state.lock().must_leave(self.index())
    }

    /// Carries out the monitor's order if stage 2 was cut for it, and returns how the vCPU continues.
    /// Returns `None` if the fault at this IPA, which an invalid entry of the root table has caused,
    /// has another reason. A guest that continues repeats the access.
    pub fn resume_after_cut(&self, ipa: Ipa) -> Option<Flow> {
        let stage2 = self.partition.stage2;
        if !stage2.has_root_entry(ipa) {
            return None;
        }
        self.partition.carry_out_order();
        if self.must_leave() {
            return Some(Flow::Leave);
        }
        stage2.restore();
        Some(Flow::Resume)
    }

    /// Carries out a PSCI call of the guest.
    pub fn psci(&self, id: u32, arguments: [u64; 3]) -> PsciOutcome {
        self.partition.state.lock().psci.call(self.index(), id, arguments)
    }

    /// Powers this vCPU off until another one starts it.
    pub fn power_off(&self) -> Flow {
        self.recall();
        Flow::Leave
    }

    /// Stops the partition.
    pub fn end(&self, end: End) -> Flow {
        self.partition.begin_end(end);
        Flow::Leave
    }

    /// Prepares this CPU's interrupts and timer for the start of the vCPU.
    fn prepare(&self) {
        self.refill();
        self.poll_devices();
        self.reset_cache_maintenance();
        if let Some(workaround) = self.workarounds.store_bypass() {
            // An earlier life may have turned the mitigation off.
            firmware::work_around(workaround, 1);
        }
        if self.delivery() == Delivery::Direct {
            direct_interrupts::reset(self.gic());
            self.priority_mask.store(0, Ordering::Relaxed);
        }
    }

    /// Disables what the guest has set up to interrupt this CPU, and records that the vCPU has left
    /// the guest.
    fn retire(&self) {
        reset::silence(&self.id);
        if self.delivery() == Delivery::Direct {
            direct_interrupts::silence();
        }
        // The end of the partition, which this may be, is a piece of its own.
        interrupts::poll_all();
        self.partition.leave(self.index());
    }
}
