//! Physical interrupts: Bulkhead's own, and those of the partition that owns this CPU.

use bulkhead::intid::Intid;
use bulkhead::machine::Machine;
use bulkhead::stats::Cause;
use spin::Once;

use super::gic::{self, Acknowledged, DOORBELL};
use super::vcpu::Vcpu;
use super::{console, cpu};

/// The interrupts that are Bulkhead's own on every machine of this kind.
#[derive(Clone, Copy)]
struct Own {
    maintenance: Intid,
    timer: Intid,
    console: Option<Intid>,
}

static OWN: Once<Own> = Once::new();

/// Learns from the machine which interrupts are Bulkhead's own.
pub fn init(machine: &Machine) {
    OWN.call_once(|| Own {
        maintenance: machine.gic.maintenance(),
        timer: machine.timer.hypervisor,
        console: machine.console.as_ref().and_then(|console| console.interrupt),
    });
}

/// Lets Bulkhead's own private interrupts reach this CPU.
pub fn enable_private(cpu: usize) {
    let own = own();
    for intid in [own.maintenance, own.timer] {
        gic::get().enable_own(intid, cpu);
    }
}

/// Sends the console's interrupt to this CPU.
pub fn enable_console(cpu: usize) {
    if let Some(console) = own().console {
        gic::get().enable_own(console, cpu);
    }
}

fn own() -> &'static Own {
    OWN.get().expect("the interrupts are known before a CPU takes one")
}

/// Takes the most urgent of the interrupts that are pending on this CPU. Another one comes in as
/// soon as this one has been seen to.
pub extern "C" fn take() {
    let Some(vcpu) = cpu::current().vcpu() else { return take_without_vcpu() };
    let Some(interrupt) = vcpu.gic.acknowledge() else { return };
    if vcpu.list_arrival(interrupt.intid) {
        vcpu.counters.count(Cause::Interrupt);
    } else {
        answer(interrupt, Some(vcpu));
    }
}

#[cold]
fn take_without_vcpu() {
    if let Some(interrupt) = gic::get().acknowledge() {
        answer(interrupt, None);
    }
}

/// Sees to an interrupt that does not just go into a list register.
#[inline(never)]
fn answer(interrupt: Acknowledged, vcpu: Option<&Vcpu>) {
    let (gic, own) = (gic::get(), own());
    let intid = interrupt.intid;
    if let Some(vcpu) = vcpu {
        vcpu.counters.count(cause(intid));
    }
    if intid == DOORBELL {
        // Deactivated first: a doorbell that rings while this one is answered must come in.
        gic.deactivate(interrupt);
        console::answer_doorbell();
        if let Some(vcpu) = vcpu {
            vcpu.answer_doorbell();
        }
        return;
    }
    if intid == own.timer {
        console::pump();
        if let Some(vcpu) = vcpu {
            vcpu.poll_watchdog();
        }
    } else if Some(intid) == own.console {
        console::interrupt();
    } else if let Some(vcpu) = vcpu {
        if intid == own.maintenance {
            vcpu.maintenance();
        } else if vcpu.interrupt(intid) {
            // Stays active at the physical GIC until the guest deactivates it.
            return;
        }
    }
    gic.deactivate(interrupt);
}

/// As what an interrupt counts.
fn cause(intid: Intid) -> Cause {
    let own = own();
    if intid == DOORBELL {
        Cause::Doorbell
    } else if intid == own.timer {
        Cause::Timer
    } else if Some(intid) == own.console {
        Cause::Uart
    } else if intid == own.maintenance {
        Cause::Maintenance
    } else {
        Cause::Interrupt
    }
}
