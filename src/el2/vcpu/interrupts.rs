//! Handles physical interrupts: Bulkhead's own, and those of the partition that owns this CPU.

use bulkhead::arch::intid::Intid;
use bulkhead::trap::stats::Cause;
use bulkhead::util::deadlines::User;

use super::resident::{self, OwnInterrupts};
use super::{Flow, Vcpu, virtual_timer};
use crate::el2::console;
use crate::el2::cpu::{self, timer};
use crate::el2::drivers::gic::{Acknowledged, TakeOutcome};

/// Acknowledges the highest-priority pending interrupt, for an IRQ from a vCPU's guest, and injects
/// it. Returns the interrupt if the fast path cannot inject it. If others are pending, the IRQ is
/// taken again when the guest resumes.
#[inline(always)]
pub fn take(vcpu: &Vcpu) -> Option<Acknowledged> {
    match vcpu.gic().take(&vcpu.arrivals) {
        TakeOutcome::Injected => {
            vcpu.counters.count(Cause::Interrupt);
            None
        }
        TakeOutcome::MaskTimer => {
            vcpu.counters.count(Cause::Interrupt);
            virtual_timer::mask(vcpu);
            None
        }
        TakeOutcome::ObserveTimer => {
            vcpu.counters.count(Cause::Interrupt);
            virtual_timer::check(vcpu, true);
            None
        }
        TakeOutcome::Other(interrupt) => Some(interrupt),
        TakeOutcome::Nothing => None,
    }
}

/// Handles an FIQ: takes Bulkhead's own interrupt with the highest priority, if these are in Group
/// 0, which a guest can neither mask nor acknowledge.
///
/// Returns `None` if there is none.
#[inline(never)]
pub fn take_own() -> Option<Flow> {
    let resident = resident::current();
    let own = resident.own_interrupts();
    let intid = own.gic.take_own()?;
    match OwnInterrupt::of(intid, own) {
        Some(own) => Some(own.handle(resident.vcpu())),
        None => panic!("INTID {} is in Group 0 but not Bulkhead's", u64::from(intid.get())),
    }
}

/// Handles at most one pending interrupt of each group on this CPU while it runs no guest.
pub fn poll() {
    _ = poll_once();
}

/// Handles pending interrupts until there is none, so that what follows does not add to the time
/// that one of them took. Others cannot make this CPU stay here.
pub fn poll_all() {
    /// More than follow each other unless a source interrupts all the time.
    const MOST: usize = 16;
    _ = (0..MOST).take_while(|_| poll_once()).count();
}

/// Does the same as [`poll`], and returns whether there was any.
#[inline(never)]
fn poll_once() -> bool {
    #[cfg(feature = "check-locks")]
    {
        crate::el2::arch::lock_checks::assert_none_held();
        crate::el2::mm::window::assert_none_open();
    }
    // No vCPU runs its guest, so the results need no action.
    let had_own = take_own().is_some();
    match resident::current().own_interrupts().gic.acknowledge() {
        Some(interrupt) => {
            _ = handle_interrupt(interrupt);
            true
        }
        None => had_own,
    }
}

/// Handles an acknowledged interrupt that the fast path could not write into a list register.
#[inline(never)]
pub fn handle_interrupt(interrupt: Acknowledged) -> Flow {
    let resident = resident::current();
    let (own, vcpu) = (resident.own_interrupts(), resident.vcpu());
    let (gic, intid) = (own.gic, interrupt.intid);
    let flow = match (OwnInterrupt::of(intid, own), vcpu) {
        (Some(own @ OwnInterrupt::Kick), _) => {
            // Deactivated first, so that another kick while this one is handled becomes pending.
            gic.deactivate(interrupt);
            return own.handle(vcpu);
        }
        (Some(own), _) => own.handle(vcpu),
        (None, Some(vcpu)) => {
            vcpu.counters.count(Cause::Interrupt);
            if gic.inject_beside_others(&vcpu.arrivals, interrupt) {
                return Flow::Resume;
            }
            if vcpu.interrupt(intid, gic.sender(interrupt)) && !intid.is_sgi() {
                if let (Some(lpi), Some(messages)) = (interrupt.lpi(), own.messages) {
                    messages.follow(vcpu.partition, lpi);
                }
                // It stays active in the physical GIC until the guest deactivates it.
                return Flow::Resume;
            }
            Flow::Resume
        }
        (None, None) => Flow::Resume,
    };
    gic.deactivate(interrupt);
    flow
}

/// An interrupt of Bulkhead's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnInterrupt {
    Kick,
    Timer,
    Console,
    Maintenance,
    Smmu,
}

impl OwnInterrupt {
    /// Identifies an interrupt on this CPU; `None` if it is not Bulkhead's own. On GICv3 the kick
    /// is the maintenance interrupt.
    fn of(intid: Intid, own: &OwnInterrupts) -> Option<Self> {
        if intid == own.timer {
            Some(Self::Timer)
        } else if Some(intid) == own.console {
            Some(Self::Console)
        } else if intid == own.maintenance {
            Some(if own.gic.requests_maintenance() { Self::Maintenance } else { Self::Kick })
        } else if own.gic.is_kick(intid) {
            Some(Self::Kick)
        } else if own.smmus.is_some_and(|smmus| smmus.raise(intid)) {
            Some(Self::Smmu)
        } else {
            None
        }
    }

    /// Handles the interrupt, on the CPU of this vCPU if there is one.
    fn handle(self, vcpu: Option<&Vcpu>) -> Flow {
        if let Some(vcpu) = vcpu {
            vcpu.counters.count(self.cause());
        }
        match self {
            Self::Kick => handle_kick(vcpu),
            Self::Timer => {
                let now = timer::now();
                let deadlines = &cpu::current().deadlines;
                // First, because it may request what follows.
                if let Some(vcpu) = vcpu.filter(|_| deadlines.is_due(User::Uart, now)) {
                    vcpu.publish_output();
                }
                if deadlines.is_due(User::Console, timer::now()) {
                    console::attend();
                }
                if let Some(vcpu) = vcpu.filter(|_| deadlines.is_due(User::Devices, now)) {
                    vcpu.poll_devices();
                }
                if let Some(vcpu) = vcpu.filter(|_| deadlines.is_due(User::VirtualTimer, now)) {
                    virtual_timer::check(vcpu, false);
                }
                if deadlines.is_due(User::GicUpdate, now) {
                    update_gic_again(now);
                }
                Flow::Resume
            }
            Self::Console => {
                console::interrupt();
                Flow::Resume
            }
            Self::Smmu => {
                if let Some(smmus) = resident::current().own_interrupts().smmus {
                    smmus.handle();
                }
                Flow::Resume
            }
            Self::Maintenance => {
                if let Some(vcpu) = vcpu {
                    vcpu.maintenance();
                    // On GICv3 this may be a kick at the same time, which is a visit of its own.
                    vcpu.gic().kick_if_maintenance(cpu::current().index());
                }
                Flow::Resume
            }
        }
    }

    /// Returns the cause of exits as which it is counted.
    fn cause(self) -> Cause {
        match self {
            Self::Kick => Cause::Kick,
            Self::Timer => Cause::Timer,
            Self::Console => Cause::Uart,
            Self::Maintenance => Cause::Maintenance,
            Self::Smmu => Cause::Smmu,
        }
    }
}

/// The time between two interrupts by which a GICv2 of QEMU evaluates its state, in milliseconds: a
/// guest never waits for longer than 100 ms for an interrupt that QEMU has not signalled.
const GIC_UPDATE_MS: u64 = 80;

/// Sets the deadline of this CPU's next interrupt that makes a GICv2 of QEMU evaluate its state; see
/// [`Gic::loses_level`](crate::el2::drivers::gic::Gic::loses_level). The timer's line is what does
/// it, for the interrupts of all CPUs, so that one CPU of the machine is enough.
pub fn update_gic_again(now: u64) {
    timer::set_deadline(User::GicUpdate, Some(now + timer::milliseconds(GIC_UPDATE_MS)));
}

/// Handles a kick by the console, by the monitor or by another vCPU of the partition. The console's
/// work is a visit of its own.
fn handle_kick(vcpu: Option<&Vcpu>) -> Flow {
    let cpu = cpu::current();
    if cpu.wake.take_some(cpu::CONSOLE) == 0 {
        return vcpu.map_or(Flow::Resume, Vcpu::handle_kick);
    }
    console::attend();
    if let Some(vcpu) = vcpu {
        vcpu.gic().kick(cpu.index());
    }
    Flow::Resume
}
