//! The nodes of the PMU (binding `arm,pmu`).

use alloc::vec::Vec;

use super::{MachineCpu, Pmu, PmuInterrupts};
use crate::arch::mpidr::Mpidr;
use crate::boot::fdt::{Node, Tree};

/// Reads the PMUs of the CPUs: the first one with a private interrupt, which all CPUs have, or else
/// all whose interrupts are SPIs. Nodes without interrupts at the GIC are left out.
pub(super) fn read(tree: &Tree<'_>, nodes: &[Node<'_, '_>], cpus: &[MachineCpu]) -> Vec<Pmu> {
    let mut shared = Vec::new();
    for node in nodes {
        let Some(pmu) = pmu(tree, *node, cpus) else { continue };
        if let PmuInterrupts::Private(_) = pmu.interrupts {
            return Vec::from([pmu]);
        }
        shared.push(pmu);
    }
    shared
}

/// Reads one node; `None` if it has no interrupts, or if CPUs for its SPIs cannot be found.
fn pmu(tree: &Tree<'_>, node: Node<'_, '_>, cpus: &[MachineCpu]) -> Option<Pmu> {
    let interrupts = node.interrupts().ok()?;
    let compatible = node.property("compatible")?.value.to_vec();
    if let Some(private) = interrupts.iter().find(|one| one.intid.is_private()) {
        return Some(Pmu { compatible, interrupts: PmuInterrupts::Private(private.intid) });
    }
    let of_cpu = |phandle| {
        let reg = tree.by_phandle(phandle)?.property("reg")?.number();
        reg.map(Mpidr::new)
    };
    // Without the property the SPIs are in the order of the CPUs.
    let affinities: Option<Vec<_>> = match node.property("interrupt-affinity") {
        Some(affinity) => affinity.cells()?.map(of_cpu).collect(),
        None => Some(cpus.iter().map(|cpu| cpu.mpidr).collect()),
    };
    let interrupts: Vec<_> = affinities?.into_iter().zip(interrupts).collect();
    let interrupts = (!interrupts.is_empty()).then_some(PmuInterrupts::Shared(interrupts))?;
    Some(Pmu { compatible, interrupts })
}
