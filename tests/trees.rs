//! The trees of the machines that QEMU makes up, as QEMU itself writes them.

use std::process::Command;
use std::{env, fs, process};

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{Conduit, ConsoleUart, CpuStart, Gic, Machine, Reach};

/// The machine that QEMU's `virt` describes with these options.
fn virt(options: &str) -> Machine {
    let file = format!("bulkhead-{}-{options}.dtb", process::id());
    let file = env::temp_dir().join(file);
    let machine = format!("virt,virtualization=on,{options},dumpdtb={}", file.display());
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", &machine, "-cpu", "cortex-a53", "-smp", "4", "-m", "2G"]);
    let output = qemu.args(["-nographic", "-nic", "none"]).output();
    let output = output.expect("qemu-system-aarch64 can be started");
    assert!(output.status.success(), "{output:?}");
    let bytes = fs::read(&file).expect("QEMU has written its tree");
    fs::remove_file(&file).expect("the tree can be removed");
    let tree = Tree::new(&bytes).unwrap();
    let mut machine = Machine::read(&tree, ConsoleUart::read(&tree)).unwrap();
    machine.read_devices(&tree);
    machine
}

fn region(start: u64, size: u64) -> Region<Pa> {
    Region::new(Pa::new(start), size).unwrap()
}

/// What is the same whichever GIC there is.
fn check(machine: &Machine) {
    let cpus: Vec<_> = machine.cpus.iter().map(|cpu| (cpu.mpidr.get(), cpu.start)).collect();
    assert_eq!(cpus, [0, 1, 2, 3].map(|mpidr| (mpidr, CpuStart::Psci)));
    assert_eq!(machine.memory, [region(0x4000_0000, 2 << 30)]);
    assert_eq!(machine.reserved, []);
    assert_eq!(machine.psci, Some(Conduit::Smc));
    let timer = machine.timer;
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
fn virt_with_gicv2() {
    let machine = virt("gic-version=2");
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
fn virt_with_gicv3() {
    let machine = virt("gic-version=3");
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
