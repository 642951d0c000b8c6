//! The trees that QEMU makes for `virt`.

use bulkhead::arch::intid::Intid;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{Conduit, CpuStart, Gic, Machine, Reach};
use common::qemu_tree;

use super::{read, region};

/// Reads the machine that QEMU's `virt` describes with this GIC.
fn virt(gic: u32) -> Machine {
    let machine = format!("virt,virtualization=on,gic-version={gic}");
    let tree = qemu_tree(&machine, &["-cpu", "cortex-a53", "-smp", "4", "-m", "2G"]);
    read(&Tree::new(&tree).unwrap())
}

/// Checks what does not depend on the GIC.
fn check(machine: &Machine) {
    let cpus: Vec<_> = machine.cpus.iter().map(|cpu| (cpu.mpidr.get(), cpu.start)).collect();
    assert_eq!(cpus, [0, 1, 2, 3].map(|mpidr| (mpidr, CpuStart::Psci)));
    assert_eq!(machine.memory, [region(0x4000_0000, 2 << 30)]);
    assert_eq!(machine.reserved, []);
    assert_eq!(machine.psci, Some(Conduit::Smc));
    let timer = &machine.timer;
    let timer = [timer.physical, timer.virtual_, timer.hypervisor].map(Intid::get);
    assert_eq!(timer, [30, 27, 26]);
    let console = machine.console.as_ref().unwrap();
    assert_eq!(console.registers, region(0x900_0000, 0x1000));
    assert_eq!(console.interrupt.map(Intid::get), Some(33));
    assert_eq!(machine.remarks, [""; 0]);

    let device = |path: &str| {
        let mut devices = machine.devices.iter();
        devices.find(|device| device.path.starts_with(path)).unwrap()
    };
    let clock = device("/pl031@");
    assert_eq!(clock.registers, [region(0x901_0000, 0x1000)]);
    assert_eq!(clock.interrupts[0].intid.get(), 34);
    assert_eq!(clock.reach, Reach::Partition);
    for path in ["/virtio_mmio@", "/pcie@", "/fw-cfg@"] {
        assert_eq!(device(path).reach, Reach::Memory);
    }
    assert!(device("/flash@").registers.len() == 2 && device("/pmu").registers.is_empty());
}

#[test]
fn tree_of_virt_with_gicv2() {
    let machine = virt(2);
    check(&machine);
    let frame = |start| region(start, 0x1_0000);
    assert_eq!(
        machine.gic,
        Gic::V2 {
            distributor: frame(0x800_0000),
            cpu_interface: frame(0x801_0000),
            hypervisor: frame(0x803_0000),
            virtual_cpu_interface: frame(0x804_0000),
            maintenance: Intid::ppi(9).unwrap(),
        }
    );
}

#[test]
fn tree_of_virt_with_gicv3() {
    let machine = virt(3);
    check(&machine);
    assert_eq!(
        machine.gic,
        Gic::V3 {
            distributor: region(0x800_0000, 0x1_0000),
            redistributors: vec![region(0x80a_0000, 0xf6_0000)],
            redistributor_stride: None,
            maintenance: Intid::ppi(9).unwrap(),
        }
    );
}
