//! A partition's interrupt controller, from what the Plan gives it.

use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::{MessagePlan, PartitionPlan};
use bulkhead::vgic::{Config, Version, Vgic};

use crate::el2::drivers::gic::Gic;

/// Returns a partition's vGIC. `ppis` are the PPIs that guests own.
#[inline(always)]
pub(super) fn of_plan(
    plan: &PartitionPlan,
    gic: &Gic,
    ppis: &[Intid],
    virtual_timer: Intid,
) -> Vgic {
    let spis = plan.interrupts.iter().map(|interrupt| interrupt.intid);
    let messages = plan.messages.iter().filter(|messages| messages.is_virtual);
    let messages: Vec<_> =
        messages.flat_map(MessagePlan::interrupts).map(|interrupt| interrupt.intid).collect();
    let of_devices = plan.devices.iter().filter_map(|device| device.intid);
    let virtual_only: Vec<_> = of_devices.chain(messages.iter().copied()).collect();
    let hardware: Vec<_> = ppis.iter().copied().chain(spis).collect();
    let last = hardware.iter().chain(&virtual_only).max();
    Vgic::new(&Config {
        version: match gic {
            Gic::V2(_) => Version::V2,
            Gic::V3(_) => Version::V3,
        },
        delivery: plan.delivery,
        vcpus: plan.cpus.len(),
        // Guests initialise all INTIDs that GICD_TYPER shows, so it shows no more words of 32
        // INTIDs than the partition has interrupts in.
        it_lines_number: last
            .map_or(0, |last| last.get() / 32)
            .min(gic.it_lines_number())
            // Those for which LPIs stand may be beyond the machine's.
            .max(messages.last().map_or(0, |last| last.get() / 32)),
        hardware: &hardware,
        virtual_only: &virtual_only,
        messages: &messages,
        virtual_timer: ppis.contains(&virtual_timer).then_some(virtual_timer),
    })
}
