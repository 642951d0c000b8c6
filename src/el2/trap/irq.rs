//! Physical interrupts: Bulkhead's own, and those of the partition that owns this CPU.

use bulkhead::arch::intid::Intid;
use bulkhead::boot::machine::Machine;
use bulkhead::trap::stats::Cause;
use spin::Once;

use super::panic;
use super::sync::this_vcpu;
use crate::el2::drivers::gic::{self, Acknowledged, Taken};
use crate::el2::vcpu::Vcpu;
use crate::el2::{console, cpu};

/// The numbers of the interrupts that are Bulkhead's own.
#[derive(Clone, Copy)]
struct Numbers {
    maintenance: Intid,
    timer: Intid,
    console: Option<Intid>,
}

static NUMBERS: Once<Numbers> = Once::new();

/// Learns from the machine which interrupts are Bulkhead's own.
pub fn init(machine: &Machine) {
    NUMBERS.call_once(|| Numbers {
        maintenance: machine.gic.maintenance(),
        timer: machine.timer.hypervisor,
        console: machine.console.as_ref().and_then(|console| console.interrupt),
    });
}

/// Lets Bulkhead's own private interrupts reach this CPU.
pub fn enable_private(cpu: usize) {
    let numbers = numbers();
    for intid in [numbers.maintenance, numbers.timer] {
        gic::get().enable_own(intid, cpu);
    }
}

/// Sends the console's interrupt to this CPU.
pub fn enable_console(cpu: usize) {
    if let Some(console) = numbers().console {
        gic::get().enable_own(console, cpu);
    }
}

fn numbers() -> &'static Numbers {
    NUMBERS.get().unwrap_or_else(|| panic::unset())
}

/// Takes the most urgent of the interrupts that are pending on this CPU, of an IRQ from its guest. Another
/// one comes in as soon as this one has been seen to.
pub extern "C" fn take() {
    let vcpu = this_vcpu();
    match vcpu.gic.take(&vcpu.arrivals) {
        Taken::Listed => vcpu.counters.count(Cause::Interrupt),
        Taken::Other(interrupt) => answer(interrupt, Some(vcpu)),
        Taken::Nothing => {}
    }
}

/// Takes the most urgent of Bulkhead's own interrupts, of an FIQ: where they are in a group of their
/// own, a guest can neither mask them nor take them for its own.
pub extern "C" fn take_own() {
    if let Some(intid) = gic::get().take_own() {
        let vcpu = cpu::current().vcpu();
        match Own::of(intid) {
            Some(own) => own.answer(vcpu),
            None => panic!("interrupt {} is in Group 0", u64::from(intid.get())),
        }
    }
}

/// Takes what is pending on this CPU, while no guest runs on it.
pub fn poll() {
    take_own();
    if let Some(interrupt) = gic::get().acknowledge() {
        answer(interrupt, cpu::current().vcpu());
    }
}

/// Sees to an interrupt that does not just go into a list register.
#[inline(never)]
fn answer(interrupt: Acknowledged, vcpu: Option<&Vcpu>) {
    let gic = gic::get();
    let intid = interrupt.intid;
    match (Own::of(intid), vcpu) {
        (Some(own @ Own::Doorbell), _) => {
            // Deactivated first: a doorbell that rings while this one is answered must come in.
            gic.deactivate(interrupt);
            return own.answer(vcpu);
        }
        (Some(own), _) => own.answer(vcpu),
        (None, Some(vcpu)) => {
            vcpu.counters.count(Cause::Interrupt);
            if vcpu.interrupt(intid, gic.sender(interrupt)) && !intid.is_sgi() {
                // Stays active at the physical GIC until the guest deactivates it.
                return;
            }
        }
        (None, None) => {}
    }
    gic.deactivate(interrupt);
}

/// An interrupt of Bulkhead's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Doorbell,
    Timer,
    Console,
    Maintenance,
}

impl Own {
    /// What an interrupt on this CPU is, if it is Bulkhead's own. On GICv3 the maintenance interrupt is
    /// the doorbell too.
    fn of(intid: Intid) -> Option<Self> {
        let (numbers, gic) = (numbers(), gic::get());
        if intid == numbers.timer {
            Some(Self::Timer)
        } else if Some(intid) == numbers.console {
            Some(Self::Console)
        } else if intid == numbers.maintenance {
            Some(if gic.wants_maintenance() { Self::Maintenance } else { Self::Doorbell })
        } else if gic.rings_by(intid) {
            Some(Self::Doorbell)
        } else {
            None
        }
    }

    fn answer(self, vcpu: Option<&Vcpu>) {
        if let Some(vcpu) = vcpu {
            vcpu.counters.count(self.cause());
        }
        match self {
            Self::Doorbell => answer_doorbell(vcpu),
            Self::Timer => {
                console::pump();
                if let Some(vcpu) = vcpu {
                    vcpu.poll_watchdog();
                }
            }
            Self::Console => console::interrupt(),
            Self::Maintenance => {
                if let Some(vcpu) = vcpu {
                    vcpu.maintenance();
                }
                // Where it is the doorbell too, somebody may have rung as well.
                answer_doorbell(vcpu);
            }
        }
    }

    /// As what it counts.
    fn cause(self) -> Cause {
        match self {
            Self::Doorbell => Cause::Doorbell,
            Self::Timer => Cause::Timer,
            Self::Console => Cause::Uart,
            Self::Maintenance => Cause::Maintenance,
        }
    }
}

fn answer_doorbell(vcpu: Option<&Vcpu>) {
    console::answer_doorbell();
    if let Some(vcpu) = vcpu {
        vcpu.answer_doorbell();
    }
}
