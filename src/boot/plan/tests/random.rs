//! Properties of the Plans of random machines and descriptions.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::boot::description::{
    DiskContents, DiskDescription, Image, ImageDescription, SharedMemoryDescription,
};
use crate::devices::address_map::IPA_END;

fn any_machine() -> impl Strategy<Value = Machine> {
    let devices = vec((0u64..12, 0u64..4, 1u64..0x800, 34u32..50, prop::bool::weighted(0.2)), 0..8);
    let banks = vec((0x40u64..0x60, 0x10u64..0x80), 1..4);
    let reserved = vec((0x400u64..0x700, 1u64..0x50), 0..4);
    (any::<bool>(), 2u64..8, devices, banks, reserved).prop_map(
        |(v2, cpus, devices, banks, reserved)| {
            let mut machine = machine(if v2 { gic_v2() } else { gic_v3() });
            let cpu = machine.cpus[0].clone();
            machine.cpus = (0..cpus)
                .map(|number| MachineCpu { mpidr: Mpidr::new(number), ..cpu.clone() })
                .collect();
            let devices = devices.into_iter().enumerate();
            let devices = devices.map(|(number, (page, part, size, intid, dma))| Device {
                reach: if dma { Reach::Memory } else { Reach::Partition },
                ..device(
                    &std::format!("/d{number}"),
                    (0xb00_0000 + page * 0x1000 + part * 0x400, size),
                    Some(intid),
                )
            });
            machine.devices = devices.collect();
            let banks = banks.into_iter();
            let banks = banks.map(|(start, size)| region(start << 24, size << 20));
            machine.memory = banks.collect();
            let reserved = reserved.into_iter().map(|(start, size)| Reserved {
                region: region((start << 20) + 0x123, size << 14),
                owner: String::new(),
            });
            machine.reserved = reserved.collect();
            machine.free_interrupts = 100..114;
            machine
        },
    )
}

fn image(start: u64, size: u64) -> ImageDescription {
    ImageDescription { path: String::from("image"), property: "data", region: region(start, size) }
}

/// Contents of a disk. Half of the disks that are to be the same as another one have one.
fn any_contents() -> impl Strategy<Value = DiskContents> {
    prop_oneof![
        3 => (1u64..0x100_0000, any::<bool>()).prop_map(|(size, is_read_only)| {
            DiskContents::Image { source: image(BASE.get(), size), is_read_only }
        }),
        2 => (1u64..0x20).prop_map(|blocks| DiskContents::Zeros(blocks << 21)),
        1 => (0..3, 0..3).prop_map(|(partition, disk)| {
            DiskContents::SameAs(std::format!("p{partition}/d{disk}"))
        }),
    ]
}

fn any_partition() -> impl Strategy<Value = PartitionDescription> {
    let cpus = prop_oneof![
        3 => (1u32..3).prop_map(CpuRequest::Count),
        1 => vec((0u64..6).prop_map(Mpidr::new), 1..3).prop_map(CpuRequest::Ids),
    ];
    let bases = (
        prop::option::weighted(0.1, (0x3fu64..0x60).prop_map(|base| Ipa::new(base << 24))),
        prop::option::weighted(0.1, (0x400u64..0x600).prop_map(|base| Pa::new(base << 20))),
    );
    let emulated = (any::<bool>(), prop::option::of(1u32..3_600_000), any::<bool>());
    let devices = vec((0usize..4).prop_map(|number| std::format!("/d{number}")), 0..3);
    let images = (1u64..0x10_0000, 0u64..0x10_0000, any::<bool>());
    let images = (images, emulated, vec((any_contents(), any::<bool>()), 0..4));
    (cpus, 0x300u64..0x2000, bases, devices, prop::bool::weighted(0.3), images).prop_map(
        |(cpus, pages, (guest_base, host_base), mut devices, dma, (images, emulated, disks))| {
            let (kernel, ramdisk, arm64) = images;
            let disk = |(number, (contents, is_virtio))| DiskDescription {
                path: String::new(),
                name: std::format!("d{number}"),
                contents,
                is_virtio,
            };
            let disks = disks.into_iter().enumerate().map(disk).collect();
            let (monitor, watchdog, virtio_console) = emulated;
            let mut optional_devices = Vec::new();
            optional_devices.extend(monitor.then_some(DeviceKind::MonitorPl011));
            let of = |milliseconds| DeviceKind::Watchdog { milliseconds };
            optional_devices.extend(watchdog.map(of));
            PartitionDescription {
                interrupts: None,
                path: String::new(),
                name: String::new(),
                cpus,
                memory: pages * 0x1000,
                guest_base,
                host_base,
                trusted_devices: devices.split_off(devices.len() / 2),
                devices,
                dma_unprotected: dma,
                bootargs: String::new(),
                tree_offset: None,
                count_hypervisor: false,
                virtio_console,
                policy: Policy::default(),
                optional_devices,
                kernel: KernelDescription {
                    source: image(BASE.get(), kernel),
                    image: if arm64 {
                        Image::Arm64 { text_offset: 0, size: kernel * 2, granule: None }
                    } else {
                        Image::Flat
                    },
                    load_offset: None,
                },
                ramdisk: (ramdisk > 0).then(|| image(BASE.get() + kernel, ramdisk)),
                disks,
            }
        },
    )
}

/// Memory that partitions share: the first, the second, or the third too.
fn any_shared_memory() -> impl Strategy<Value = (u64, u64, bool)> {
    (0u64..3, 1u64..0x500, any::<bool>())
}

fn any_description() -> impl Strategy<Value = Description> {
    let shared = vec(any_shared_memory(), 0..3);
    (vec(any_partition(), 1..4), shared).prop_map(|(mut partitions, shared)| {
        let count = partitions.len();
        let shared_memory = shared.into_iter().filter(|_| count > 1);
        let shared_memory = shared_memory.map(|(first, pages, of_all)| {
            let ports = if of_all { count } else { 2 };
            let partitions = (0..ports).map(|port| (first as usize + port) % count);
            SharedMemoryDescription {
                path: String::from("/links/shared"),
                name: std::format!("{first}-{pages}"),
                partitions: partitions.collect(),
                size: pages * 0x1000,
            }
        });
        let shared_memory = shared_memory.collect();
        for (number, partition) in partitions.iter_mut().enumerate() {
            partition.path = std::format!("/partitions/p{number}");
            partition.name = std::format!("p{number}");
        }
        Description {
            system_path: String::from("/"),
            path: String::from("/partitions"),
            partitions,
            monitor: false,
            console_cpu: None,
            links: Vec::new(),
            shared_memory,
        }
    })
}

/// Checks that no two of `regions` overlap.
fn disjoint<A: crate::arch::addr::Address>(regions: &[Region<A>]) {
    for (number, one) in regions.iter().enumerate() {
        for other in &regions[number + 1..] {
            assert!(!one.overlaps(other), "{one} and {other}");
        }
    }
}

fn unique<T: Ord>(mut things: Vec<T>) {
    let count = things.len();
    things.sort();
    things.dedup();
    assert_eq!(things.len(), count);
}

fn check(machine: &Machine, plan: &Plan) {
    let partitions = || plan.partitions.iter();
    unique(partitions().flat_map(|one| one.cpus.clone()).collect());
    unique(partitions().flat_map(|one| one.interrupts.iter().map(|one| one.intid)).collect());
    unique(partitions().map(|one| one.vmid).collect());
    let shared = |one: &PartitionPlan| {
        let disks = one.disks.iter().filter(|disk| disk.same_as.is_some());
        let disks = disks.filter_map(|disk| Some(disk.guest()?.start()));
        let memory = one.shared_memory.iter().filter(|it| it.port > 0);
        disks.chain(memory.map(|it| it.place.guest.start())).collect::<Vec<_>>()
    };
    let mut physical: Vec<_> = partitions()
        .flat_map(|one| {
            let shared = shared(one);
            let is_own = move |it: &Mapping| !shared.contains(&it.ipa);
            one.mappings.clone().into_iter().filter(is_own)
        })
        .map(|one| region(one.pa.get(), one.size))
        .collect();
    physical.push(plan.table_memory);
    // What EL2 alone accesses for a guest is no other guest's.
    for one in partitions() {
        let own = one.virtio_disks().filter(|(disk, _)| disk.same_as.is_none());
        physical.extend(own.map(|(disk, _)| disk.host));
    }
    // The GICV page is the same for all: each CPU sees its own registers there.
    if let Gic::V2 { virtual_cpu_interface, .. } = &machine.gic {
        physical.retain(|one| one.start() != virtual_cpu_interface.start());
    }
    disjoint(&physical);
    for one in &physical {
        for reserved in &machine.reserved {
            assert!(!one.overlaps(&reserved.region));
        }
        let console = machine.console.as_ref().unwrap();
        assert!(!one.overlaps(&console.registers));
    }
    let is_memory = |one: &Region<Pa>| {
        let pages = (0..one.size()).step_by(0x1000);
        pages.into_iter().all(|page| {
            let page = region(one.start().get() + page, 0x1000);
            machine.memory.iter().any(|bank| bank.covers(&page))
        })
    };
    assert!(is_memory(&plan.table_memory));
    partitions().for_each(|one| {
        assert!(is_memory(&one.memory.host));
        check_guest(one);
        for disk in &one.disks {
            check_disk(plan, one, disk);
        }
        for port in &one.shared_memory {
            check_shared(plan, one, port);
        }
    });
}

/// Checks that a disk is mapped with the right rights, and that what is shared is only read.
fn check_disk(plan: &Plan, of: &PartitionPlan, disk: &PlannedDisk) {
    let PlannedDisk { interface, host, is_read_only, source, same_as, .. } = disk;
    assert!(host.is_aligned(2 * MIB) && !host.is_empty());
    assert!(source.is_none_or(|source| source.size() <= host.size()));
    let attributes = match is_read_only {
        true => crate::mm::tables::Attributes::GUEST_READ_ONLY_DISK,
        false => crate::mm::tables::Attributes::GUEST_DISK,
    };
    match interface {
        DiskInterface::Memory(guest) => {
            let (ipa, pa, size) = (guest.start(), host.start(), host.size());
            assert!(of.mappings.contains(&Mapping { ipa, pa, size, attributes }));
            assert_eq!(guest.size(), size);
            assert!(!of.dma_unprotected || pa.get() == ipa.get());
        }
        DiskInterface::Virtio(device) => {
            let interrupt = device.interrupt.unwrap();
            assert!(of.interrupts.contains(&interrupt) && device.window_tables > 0);
            assert!(of.device(DeviceKind::Virtio).is_some());
        }
    }
    if let Some((partition, index)) = *same_as {
        let other = &plan.partitions[partition].disks[index];
        assert!(*is_read_only && other.is_read_only && source.is_none());
        assert_eq!((other.host, other.same_as), (*host, None));
    }
}

/// Checks that shared memory is mapped, that it is that of the link, and whose zeros it has first.
fn check_shared(plan: &Plan, of: &PartitionPlan, port: &SharedMemoryPort) {
    let GuestMemory { guest, host } = port.place;
    let attributes = crate::mm::tables::Attributes::GUEST_DISK;
    let mapping = Mapping { ipa: guest.start(), pa: host.start(), size: host.size(), attributes };
    assert!(of.mappings.contains(&mapping) && !host.is_empty());
    let memory = &plan.shared_memory[port.memory];
    let own = &plan.partitions[memory.partitions[usize::from(port.port)]];
    assert_eq!((memory.host, &own.name), (host, &of.name));
    assert_eq!(memory.partitions.len(), usize::from(port.ports));
    assert_eq!(port.own_memory().is_some(), port.port == 0);
    assert!(of.interrupts.contains(&port.interrupt.unwrap()));
    if of.dma_unprotected {
        assert_eq!(host.start().get(), guest.start().get());
    }
}

/// Checks a guest's addresses and interrupts: none is used twice, and its devices and images are
/// where they must be.
fn check_guest(one: &PartitionPlan) {
    let mappings = one.mappings.clone();
    let mapped = mappings.iter().map(|one| Region::new(one.ipa, one.size).unwrap());
    let trapped = one.devices.iter().map(PlannedDevice::trapped);
    let all: Vec<_> = mapped.chain(trapped).collect();
    disjoint(&all);
    assert!(all.iter().all(|one| one.is_aligned(0x1000) && one.end().get() <= IPA_END));
    for device in &one.devices {
        assert_eq!(device.intid.is_some(), device.kind.facts().has_interrupt);
    }
    let virtio = one.device(DeviceKind::Virtio).map_or(0, |it| it.registers.size());
    let of_virtio = one.virtio_disks().count() + usize::from(one.virtio_console.is_some());
    assert_eq!(virtio, of_virtio as u64 * 0x1000);
    assert!(one.virtio_console.iter().all(|it| one.interrupts.contains(it)));
    let emulated = one.devices.iter().filter_map(|device| device.intid);
    unique(one.interrupts.iter().map(|one| one.intid).chain(emulated).collect());
    for device in &one.passthrough {
        assert!(device.reach == Reach::Partition || one.dma_unprotected);
        for registers in &device.registers {
            assert!(mappings.iter().any(|mapping| {
                mapping.attributes == crate::mm::tables::Attributes::GUEST_DEVICE
                    && mapping.pa.get() == mapping.ipa.get()
                    && region(mapping.pa.get(), mapping.size).covers(registers)
            }));
        }
    }
    if one.dma_unprotected {
        assert_eq!(one.memory.host.start().get(), one.memory.guest.start().get());
    }
    let mut loaded = Vec::from([one.kernel.load, one.tree]);
    loaded.extend(one.ramdisk.map(|ramdisk| ramdisk.load));
    disjoint(&loaded);
    assert!(loaded.iter().all(|image| one.memory.guest.covers(image)));
    assert!(one.kernel.load.size() >= one.kernel.source.size());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn accepted_plans_are_disjoint(machine in any_machine(), description in any_description()) {
        match Plan::new(&machine, Mpidr::new(0), &description) {
            Ok(plan) => check(&machine, &plan),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn the_nearest_name_is_one_of_them(name in "[a-z]{0,8}") {
        let names = ["cpus", "memory", "devices"];
        let nearest = crate::util::nearest::nearest(name.as_bytes(), &mut names.into_iter());
        prop_assert!(names.contains(&nearest));
    }
}
