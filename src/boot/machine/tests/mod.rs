use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::boot::fdt::{Tree, Writer};

mod board;
mod console;
mod errors;
mod messages;
mod not_devices;
mod pmus;
mod reach;
mod smmu;
mod watchdogs;

use board::*;

fn region(start: u64, size: u64) -> Region<Pa> {
    Region::new(Pa::new(start), size).unwrap()
}

fn intid(number: u32) -> Intid {
    Intid::new(number).unwrap()
}

#[test]
fn a_plain_board_is_read() {
    let machine = BOARD.read().unwrap();
    assert_eq!(machine.model, "test board");
    let mpidrs: Vec<_> = machine.cpus.iter().map(|cpu| cpu.mpidr.get()).collect();
    assert_eq!(mpidrs, [0, 0x100]);
    assert_eq!(machine.cpus[0].compatible, "arm,cortex-a53");
    assert_eq!(machine.memory, [region(0x4000_0000, 0x1000_0000)]);
    assert_eq!(machine.reserved, []);
    assert_eq!(machine.gic_path, "/intc@8000000");
    assert_eq!(
        machine.gic,
        Gic::V2 {
            distributor: region(0x800_0000, 0x1000),
            cpu_interface: region(0x801_0000, 0x2000),
            hypervisor: region(0x803_0000, 0x2000),
            virtual_cpu_interface: region(0x804_0000, 0x2000),
            maintenance: intid(25),
        }
    );
    assert_eq!(
        machine.timer,
        Timer {
            physical: intid(30),
            virtual_: intid(27),
            hypervisor: intid(26),
            frequency: None,
            properties: Vec::new(),
        }
    );
    assert_eq!(machine.psci, None);
    assert_eq!(
        machine.console,
        Some(ConsoleUart {
            path: "/uart@9000000".to_string(),
            kind: ConsoleKind::Pl011,
            registers: region(0x900_0000, 0x1000),
            interrupt: Some(intid(33)),
            settings: Vec::new(),
        })
    );
    assert_eq!(machine.remarks, [""; 0]);
}

#[test]
fn cpus_past_the_limit_are_named() {
    let limited = |count: u64, max, boot| {
        let mut machine = BOARD.read().unwrap();
        let cpu = |id| MachineCpu { mpidr: Mpidr::new(id), ..machine.cpus[0].clone() };
        machine.cpus = (0..count).map(cpu).collect();
        machine.limit_cpus(max, Mpidr::new(boot));
        let ids: Vec<_> = machine.cpus.iter().map(|cpu| cpu.mpidr.get()).collect();
        (ids, machine.remarks)
    };
    let remark = |text: &str| Vec::from([text.to_string()]);
    assert_eq!(limited(3, 4, 0), (Vec::from([0, 1, 2]), Vec::new()));
    assert_eq!(limited(4, 4, 3), (Vec::from([0, 1, 2, 3]), Vec::new()));
    let one = remark("CPU 0x4 is not used: Bulkhead supports 4");
    assert_eq!(limited(5, 4, 0), (Vec::from([0, 1, 2, 3]), one));
    let several = remark("CPUs 0x4 to 0x13 are not used: Bulkhead supports 4");
    assert_eq!(limited(20, 4, 0), (Vec::from([0, 1, 2, 3]), several));
    // The boot CPU is kept.
    let last = remark("CPUs 0x3 to 0x4 are not used: Bulkhead supports 4");
    assert_eq!(limited(6, 4, 5), (Vec::from([0, 1, 2, 5]), last));
}

#[test]
fn cpus_are_started_as_their_nodes_say() {
    let board = Board {
        cpus: |cpus| {
            cells(cpus, 2, 0);
            cpu(cpus, "cpu@0", |cpu| {
                cpu.property_u64("reg", 0);
                cpu.property_str("enable-method", "psci");
            });
            cpu(cpus, "cpu@100010203", |cpu| {
                cpu.property_u64("reg", 0x1_0001_0203);
                cpu.property_str("enable-method", "spin-table");
                cpu.property_u64("cpu-release-addr", 0xe0);
            });
            cpu(cpus, "cpu@5", |cpu| {
                cpu.property_u64("reg", 5);
                cpu.property_str("enable-method", "spin-table");
                cpu.property_u64("cpu-release-addr", 0xe4);
            });
            cpu(cpus, "cpu@2", |cpu| {
                cpu.property_u64("reg", 2);
                cpu.property_str("status", "disabled");
            });
            cpu(cpus, "cpu@3", |cpu| {
                cpu.property_u64("reg", 3);
                cpu.property_str("status", "fail");
            });
            cpu(cpus, "cpu@4", |cpu| cpu.property_u64("reg", 4));
            cpu(cpus, "cpu@04", |cpu| cpu.property_u64("reg", 4));
            node(cpus, "cpu-map", |_| ());
        },
        ..BOARD
    };
    let machine = board.read().unwrap();
    let cpus: Vec<_> = machine.cpus.iter().map(|cpu| (cpu.mpidr, cpu.start)).collect();
    assert_eq!(
        cpus,
        [
            (Mpidr::new(0), CpuStart::Psci),
            (Mpidr::new(0x1_0001_0203), CpuStart::SpinTable(Pa::new(0xe0))),
            (Mpidr::new(5), CpuStart::Unknown),
            (Mpidr::new(4), CpuStart::Unknown),
        ]
    );
    assert_eq!(
        machine.remarks,
        [
            "/cpus/cpu@5 cannot be started: cpu-release-addr 0x000000e4 is not a multiple of 8",
            "/cpus/cpu@04 is ignored: there is another CPU 0x4",
        ]
    );
}

#[test]
fn memory_has_banks_and_reserved_parts() {
    let board = Board {
        memory: |root| {
            bank(root, "memory@0", &[0, 0, 0, 0x800_0000, 1, 0, 0, 0]);
            bank(root, "memory@40000000", &[0, 0x4000_0000, 1, 0]);
        },
        more: |root| {
            node(root, "reserved-memory", |reserved| {
                cells(reserved, 2, 1);
                reserved.property_empty("ranges");
                node(reserved, "firmware@0", |firmware| {
                    firmware.property_cells("reg", &[0, 0, 0x8_0000]);
                    firmware.property_empty("no-map");
                });
                node(reserved, "to-be-placed", |pool| {
                    pool.property_cells("size", &[0x400_0000]);
                });
            });
        },
        ..BOARD
    };
    let mut machine = board.read().unwrap();
    let banks = [region(0, 0x800_0000), region(0x4000_0000, 1 << 32)];
    assert_eq!(machine.memory, banks);
    machine.reserve(region(0x20_0000, 0x10_0000), "Bulkhead");
    let reserved = |region, owner: &str| Reserved { region, owner: owner.to_string() };
    assert_eq!(
        machine.reserved,
        [
            reserved(region(0, 0x8_0000), "/reserved-memory/firmware@0"),
            reserved(region(0x20_0000, 0x10_0000), "Bulkhead"),
        ]
    );
}

#[test]
fn a_gic_v3_has_regions_of_redistributors() {
    let board = Board {
        gic: |gic| {
            gic.property_str("compatible", "arm,gic-v3");
            gic.property_u32("#redistributor-regions", 2);
            gic.property_u64("redistributor-stride", 0x4_0000);
            let distributor = [0, 0x800_0000, 0, 0x1_0000];
            let first = [0, 0x80a_0000, 0, 0xf6_0000];
            let second = [0x40, 0, 0, 0x400_0000];
            gic.property_cells("reg", &[distributor, first, second].concat());
            gic.property_cells("interrupts", &[1, 9, 4]);
            cells(gic, 2, 2);
            gic.property_empty("ranges");
            node(gic, "its@8080000", |its| {
                its.property_str("compatible", "arm,gic-v3-its");
                its.property_cells("reg", &[0, 0x808_0000, 0, 0x2_0000]);
            });
        },
        ..BOARD
    };
    let machine = board.read().unwrap();
    assert_eq!(
        machine.gic,
        Gic::V3 {
            distributor: region(0x800_0000, 0x1_0000),
            redistributors: [region(0x80a_0000, 0xf6_0000), region(1 << 38, 0x400_0000)].into(),
            redistributor_stride: Some(0x4_0000),
            maintenance: intid(25),
        }
    );
    let paths: Vec<_> = machine.devices.iter().map(|device| &device.path).collect();
    assert_eq!(paths, ["/uart@9000000"], "the ITS belongs to the GIC");
}

#[test]
fn interrupt_names_identify_the_timers() {
    let board = Board {
        timer: |timer| {
            timer.property_str("compatible", "arm,armv8-timer");
            timer.property_strings("interrupt-names", &["hyp-phys", "virt", "phys"]);
            timer.property_cells("interrupts", &[1, 10, 4, 1, 11, 4, 1, 14, 4]);
        },
        ..BOARD
    };
    assert_eq!(board.read().unwrap().timer, BOARD.read().unwrap().timer);
}

#[test]
fn a_timer_keeps_its_errata_and_its_frequency() {
    let board = Board {
        timer: |timer| {
            (BOARD.timer)(timer);
            timer.property_u32("clock-frequency", 50_000_000);
            timer.property_empty("fsl,erratum-a008585");
            timer.property_empty("arm,no-tick-in-suspend");
            timer.property_empty("acme,other");
        },
        ..BOARD
    };
    let timer = board.read().unwrap().timer;
    let names: Vec<_> = timer.properties.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["clock-frequency", "fsl,erratum-a008585", "arm,no-tick-in-suspend"]);
    assert_eq!(timer.properties[0].value, 50_000_000_u32.to_be_bytes());
    assert_eq!(timer.frequency, Some(50_000_000));
    // The register counts, if firmware has set it.
    assert_eq!(timer.frequency(62_500_000), Some(62_500_000));
    assert_eq!(timer.frequency(0), Some(50_000_000));
    assert_eq!(timer.frequency(1 << 32), Some(50_000_000));
    let none = BOARD.read().unwrap().timer;
    assert_eq!((none.frequency(1), none.frequency(0)), (Some(1), None));
    let zero = Board {
        timer: |timer| {
            (BOARD.timer)(timer);
            timer.property_u32("clock-frequency", 0);
        },
        ..BOARD
    };
    assert_eq!(zero.read().unwrap().timer.frequency, None);
}

#[test]
fn firmware_the_command_line_and_the_initrd_are_found() {
    let board = Board {
        chosen: |chosen| {
            chosen.property_str("bootargs", "semihosting");
            chosen.property_u32("linux,initrd-start", 0x4800_0000);
            chosen.property_u64("linux,initrd-end", 0x4800_1234);
            chosen.property_str("stdout-path", "serial0");
        },
        more: |root| {
            node(root, "psci", |psci| {
                psci.property_strings("compatible", &["arm,psci-1.0", "arm,psci"]);
                psci.property_str("method", "smc");
            });
            node(root, "watchdog@9100000", |pm| {
                pm.property_str("compatible", "brcm,bcm2835-pm");
                pm.property_cells("reg", &[0, 0x910_0000, 0, 0x114]);
            });
            node(root, "aliases", |aliases| {
                aliases.property_str("serial0", "/uart@9000000");
            });
        },
        ..BOARD
    };
    let machine = board.read().unwrap();
    assert_eq!(machine.psci, Some(Conduit::Smc));
    assert_eq!(machine.watchdog, None, "firmware can switch the machine off");
    assert_eq!(machine.bootargs, "semihosting");
    assert_eq!(machine.initrd, Some(region(0x4800_0000, 0x1234)));
    assert_eq!(machine.console.unwrap().path, "/uart@9000000");
    assert_eq!(machine.devices[0].aliases, ["serial0"]);
}

#[test]
fn devices_are_the_nodes_that_can_be_passed_through() {
    let board = Board {
        chosen: |_| (),
        more: |root| {
            let device = |bus: &mut Writer, name, property| {
                node(bus, name, |device| {
                    device.property_cells("reg", &[0, 0x1000, 0, 0x1000]);
                    device.property_str(property, "virtio,mmio");
                });
            };
            device(root, "virtio@1000", "compatible");
            device(root, "coherent@1000", "dma-coherent");
            device(root, "off@1000", "status");
            node(root, "pmu", |pmu| {
                pmu.property_strings("compatible", &["arm,cortex-a53-pmu", "arm,armv8-pmuv3"]);
                pmu.property_cells("interrupts", &[1, 7, 4]);
            });
            node(root, "nothing", |_| ());
            node(root, "i2c", |bus| {
                cells(bus, 2, 2);
                device(bus, "on-i2c@0", "label");
            });
            node(root, "bus", |bus| {
                cells(bus, 2, 2);
                bus.property_cells("ranges", &[0, 0, 0, 0x8000_0000, 0, 0x1000]);
                device(bus, "outside@1000", "label");
            });
            node(root, "wrong", |wrong| wrong.property_cells("interrupts", &[1]));
        },
        ..BOARD
    };
    let machine = board.read().unwrap();
    let private = PmuInterrupts::Private(intid(23));
    assert_eq!((&machine.pmus[0].interrupts, machine.pmus[0].compatible.len()), (&private, 35));
    let devices = machine.devices.iter();
    let devices: Vec<_> = devices.map(|device| (device.path.as_str(), device.reach)).collect();
    assert_eq!(
        devices,
        [
            ("/uart@9000000", Reach::Partition),
            ("/virtio@1000", Reach::Memory),
            ("/coherent@1000", Reach::Memory),
            ("/pmu", Reach::Partition),
        ]
    );
    assert_eq!(
        machine.remarks,
        [
            "/bus/outside@1000 is ignored: no `ranges` of its bus contain its registers",
            "/wrong is ignored: its interrupts end within a specifier",
        ]
    );
}

#[test]
fn free_interrupts_are_above_those_of_all_nodes() {
    let free = |more: fn(&mut Writer), last| {
        let bytes = Board { more, ..BOARD }.bytes();
        free_interrupts(&Tree::new(&bytes).unwrap(), intid(last))
    };
    assert_eq!(free(|_| (), 63), 34..64);
    assert!(free(|_| (), 32).is_empty());
    // A disabled device, or one without registers, may raise its interrupts nevertheless.
    let more = |root: &mut Writer| {
        node(root, "off", |off| {
            off.property_str("status", "disabled");
            off.property_cells("interrupts", &[0, 9, 4, 0, 7, 4]);
        });
        node(root, "wrong", |wrong| wrong.property_cells("interrupts", &[0]));
    };
    assert_eq!(free(more, 63), 42..64);
}
