//! Physical interrupts: Bulkhead's own, and those of the partition that owns this CPU.

use bulkhead::intid::Intid;
use bulkhead::machine::Machine;
use spin::Once;

use super::gic::{self, DOORBELL};
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

/// Takes every interrupt that is pending on this CPU.
pub fn take() {
    let gic = gic::get();
    let vcpu = cpu::current().vcpu();
    while let Some(interrupt) = gic.acknowledge() {
        gic.priority_drop(interrupt);
        let intid = interrupt.intid();
        if !is_own(intid)
            && let Some(vcpu) = vcpu
        {
            // Stays active at the physical GIC until the guest deactivates it.
            vcpu.interrupt(intid);
            continue;
        }
        let own = own();
        if intid == DOORBELL {
            // Deactivated first: a doorbell that rings while this one is answered must come in.
            gic.deactivate(interrupt);
            if let Some(vcpu) = vcpu {
                vcpu.answer_doorbell();
            }
            continue;
        }
        if intid == own.maintenance
            && let Some(vcpu) = vcpu
        {
            vcpu.maintenance();
        } else if intid == own.timer {
            console::pump();
        } else if Some(intid) == own.console {
            console::interrupt();
        }
        gic.deactivate(interrupt);
    }
}

fn is_own(intid: Intid) -> bool {
    let own = own();
    intid.is_sgi() || intid == own.maintenance || intid == own.timer || Some(intid) == own.console
}
