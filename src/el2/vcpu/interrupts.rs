//! Physical interrupts: Bulkhead's own, and those of the partition that owns this CPU.

use bulkhead::arch::intid::Intid;
use bulkhead::trap::stats::Cause;

use super::resident::{self, OwnInterrupts};
use super::{Flow, Vcpu};
use crate::el2::console;
use crate::el2::drivers::gic::{Acknowledged, TakeOutcome};

/// Handles an IRQ from a vCPU's guest: the highest-priority pending interrupt. Another one is taken
/// when the guest resumes.
#[inline(always)]
pub fn take(vcpu: &Vcpu) -> Flow {
    match vcpu.gic().take(&vcpu.arrivals) {
        TakeOutcome::Injected => {
            vcpu.counters.count(Cause::Interrupt);
            Flow::Resume
        }
        TakeOutcome::Other(interrupt) => answer(interrupt),
        TakeOutcome::Nothing => Flow::Resume,
    }
}

/// Handles an FIQ: the highest-priority interrupt of Bulkhead's own, where these are in Group 0, which
/// a guest can neither mask nor acknowledge.
pub fn take_own() -> Flow {
    let resident = resident::current();
    let own = resident.own_interrupts();
    let Some(intid) = own.gic.take_own() else { return Flow::Resume };
    match OwnInterrupt::of(intid, own) {
        Some(own) => own.answer(resident.vcpus().first()),
        None => panic!("interrupt {} is in Group 0", u64::from(intid.get())),
    }
}

/// Handles what is pending on this CPU while it runs no guest.
pub fn poll() {
    // No vCPU is in its guest, so there is none to leave.
    _ = take_own();
    if let Some(interrupt) = resident::current().own_interrupts().gic.acknowledge() {
        _ = answer(interrupt);
    }
}

/// Handles an interrupt that was not simply injected.
#[inline(never)]
fn answer(interrupt: Acknowledged) -> Flow {
    let resident = resident::current();
    let (own, vcpu) = (resident.own_interrupts(), resident.vcpus().first());
    let (gic, intid) = (own.gic, interrupt.intid);
    let flow = match (OwnInterrupt::of(intid, own), vcpu) {
        (Some(own @ OwnInterrupt::Kick), _) => {
            // Deactivated first: another kick while this one is handled must be taken.
            gic.deactivate(interrupt);
            return own.answer(vcpu);
        }
        (Some(own), _) => own.answer(vcpu),
        (None, Some(vcpu)) => {
            vcpu.counters.count(Cause::Interrupt);
            if vcpu.interrupt(intid, gic.sender(interrupt)) && !intid.is_sgi() {
                // It stays active at the physical GIC until the guest deactivates it.
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
}

impl OwnInterrupt {
    /// Decodes an interrupt on this CPU; `None` if it is not Bulkhead's own. On GICv3 the maintenance
    /// interrupt is the kick too.
    fn of(intid: Intid, own: &OwnInterrupts) -> Option<Self> {
        if intid == own.timer {
            Some(Self::Timer)
        } else if Some(intid) == own.console {
            Some(Self::Console)
        } else if intid == own.maintenance {
            Some(if own.gic.requests_maintenance() { Self::Maintenance } else { Self::Kick })
        } else if own.gic.is_kick(intid) {
            Some(Self::Kick)
        } else {
            None
        }
    }

    fn answer(self, vcpu: Option<&Vcpu>) -> Flow {
        if let Some(vcpu) = vcpu {
            vcpu.counters.count(self.cause());
        }
        match self {
            Self::Kick => answer_kick(vcpu),
            Self::Timer => {
                console::pump();
                if let Some(vcpu) = vcpu {
                    vcpu.poll_devices();
                }
                Flow::Resume
            }
            Self::Console => {
                console::interrupt();
                Flow::Resume
            }
            Self::Maintenance => {
                if let Some(vcpu) = vcpu {
                    vcpu.maintenance();
                }
                // A kick may have come as well, where this interrupt is the kick too.
                answer_kick(vcpu)
            }
        }
    }

    /// Returns the cause that it counts as.
    fn cause(self) -> Cause {
        match self {
            Self::Kick => Cause::Kick,
            Self::Timer => Cause::Timer,
            Self::Console => Cause::Uart,
            Self::Maintenance => Cause::Maintenance,
        }
    }
}

fn answer_kick(vcpu: Option<&Vcpu>) -> Flow {
    console::answer_kick();
    vcpu.map_or(Flow::Resume, Vcpu::answer_kick)
}
