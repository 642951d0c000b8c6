//! The PMUs of the CPUs.

use super::*;
use crate::arch::intid::Trigger;

#[test]
fn a_pmu_has_a_private_interrupt_or_one_for_each_cpu() {
    fn pmu(root: &mut Writer, compatible: &str, interrupts: &[u32], affinity: Option<&[u32]>) {
        node(root, "monitors", |pmu| {
            pmu.property_str("compatible", compatible);
            pmu.property_cells("interrupts", interrupts);
            if let Some(affinity) = affinity {
                pmu.property_cells("interrupt-affinity", affinity);
            }
        });
    }
    let named_cpus = |cpus: &mut Writer| {
        cells(cpus, 1, 0);
        for (name, reg, phandle) in [("cpu@0", 0, 10), ("cpu@100", 0x100, 11)] {
            cpu(cpus, name, |cpu| {
                cpu.property_u32("reg", reg);
                cpu.property_u32("phandle", phandle);
            });
        }
    };
    let found = |more| {
        let pmus = Board { cpus: named_cpus, more, ..BOARD }.read().unwrap().pmus;
        pmus.into_iter().map(|pmu| pmu.interrupts).collect::<Vec<_>>()
    };
    let private = [PmuInterrupts::Private(intid(23))];
    assert_eq!(found(|root| pmu(root, "arm,armv8-pmuv3", &[1, 7, 4], None)), private);
    assert_eq!(found(|root| pmu(root, "acme,armv8-pmuv3", &[1, 7, 4], None)), []);
    assert_eq!(found(|root| pmu(root, "arm,pl011", &[1, 7, 4], None)), []);
    assert_eq!(found(|root| pmu(root, "arm,armv8-pmuv3", &[], None)), []);
    let spi = |cpu, number, trigger| (Mpidr::new(cpu), Interrupt { intid: intid(number), trigger });
    let shared = |interrupts: [_; 2]| [PmuInterrupts::Shared(interrupts.into())];
    let (level, edge) = (Trigger::Level, Trigger::Edge);
    // In the order of the CPUs, or of the property.
    assert_eq!(
        found(|root| pmu(root, "arm,armv8-pmuv3", &[0, 7, 4, 0, 8, 1], None)),
        shared([spi(0, 39, level), spi(0x100, 40, edge)])
    );
    let turned = |root: &mut Writer| {
        pmu(root, "arm,armv8-pmuv3", &[0, 7, 4, 0, 8, 4], Some(&[11, 10]));
    };
    assert_eq!(found(turned), shared([spi(0x100, 39, level), spi(0, 40, level)]));
    // A phandle that leads nowhere says nothing about its CPU.
    assert_eq!(found(|root| pmu(root, "arm,armv8-pmuv3", &[0, 7, 4], Some(&[99]))), []);
    // A private interrupt is that of all CPUs.
    let both = |root: &mut Writer| {
        pmu(root, "arm,cortex-a72-pmu", &[0, 7, 4, 0, 8, 4], None);
        pmu(root, "arm,armv8-pmuv3", &[1, 7, 4], None);
    };
    assert_eq!(found(both), private);
}
