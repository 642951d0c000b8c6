//! Streams of SMMUs, and what they reach.

use super::*;
use crate::boot::machine::{Smmu, Stream};
use crate::boot::smmu::Features;
use crate::mm::tables::Attributes;

/// A machine with an SMMU, and with masters behind it that have these streams.
pub(crate) fn machine_with_smmu(masters: &[(&str, &[u32])]) -> Machine {
    let mut machine = machine(gic_v3());
    machine.smmus.push(Smmu {
        path: "/iommu@a100000".to_string(),
        registers: region(0xa10_0000, 0x2_0000),
        events: Some(Interrupt { intid: Intid::new(106).unwrap(), trigger: Trigger::Edge }),
        errors: None,
        features: Ok(Features::ASSUMED),
        phandle: Some(1),
    });
    for (number, (path, ids)) in (0..).zip(masters) {
        let mut device = device(path, (0xb10_0000 + number * 0x1000, 0x1000), None);
        device.streams = ids.iter().map(|id| Stream { smmu: 0, id: *id }).collect();
        machine.devices.push(device);
    }
    machine.devices.push(device("/iommu@a100000", (0xa10_0000, 0x2_0000), None));
    machine
}

/// Two partitions, each with these devices.
pub(crate) fn with_devices(one: &'static [&'static str], two: &'static [&'static str]) -> Spec {
    let of = |name, devices: &'static [&str]| match devices {
        [] => partition(name),
        devices => partition(name).with("devices", Text(devices)),
    };
    system([of("one", one), of("two", two)])
}

#[test]
fn masters_behind_an_smmu_reach_the_memory_and_disks_of_their_partition() {
    let machine = machine_with_smmu(&[("/a", &[8, 9]), ("/b", &[0x1000])]);
    let scratch = Spec::new("scratch").with("size", Cells(&[0, 0x40_0000]));
    let disks = Spec { children: vec![scratch], ..Spec::new("disks") };
    let one = partition("one").with("devices", Text(&["/a", "rtc0"])).child(disks);
    let system = system([one, partition("two").with("devices", Text(&["/b"])), partition("three")]);
    let plan = plan_on(&machine, &system).unwrap();
    let [smmu] = &plan.smmus[..] else { panic!() };
    let streams: Vec<_> = smmu.streams.iter().map(|it| (it.id, it.partition, it.device)).collect();
    assert_eq!(streams, [(8, 0, 0), (9, 0, 0), (0x1000, 1, 0)]);
    let [one, two, three] = &plan.partitions[..] else { panic!() };
    let memory = Mapping {
        ipa: Ipa::new(0x4000_0000),
        pa: one.memory.host.start(),
        size: 16 * MIB,
        attributes: Attributes::GUEST,
    };
    let disk = &one.disks[0];
    let scratch = Mapping {
        ipa: disk.guest().unwrap().start(),
        pa: disk.host.start(),
        size: 4 * MIB,
        attributes: Attributes::GUEST_DISK,
    };
    assert_eq!(one.dma_mappings, [memory, scratch]);
    assert!(one.mappings.len() > 2, "its CPUs reach the devices too");
    assert_eq!(two.dma_mappings, [Mapping { pa: two.memory.host.start(), ..memory }]);
    assert_eq!((one.dma_tables, two.dma_tables), (3, 2));
    assert_eq!((&three.dma_mappings[..], three.dma_tables), (&[][..], 0));
    // A master needs neither identical addresses nor trust.
    assert!(!one.dma_unprotected);
    assert_eq!(smmu.memory.size(), smmu.layout.size() + 0x2000);
    assert!(smmu.memory.start().is_aligned(smmu.layout.align()));
    let last = smmu.memory.end().get();
    assert_eq!(smmu.queues(), [last - 0x2000, last - 0x1000].map(Pa::new));
    let owned = [one, two, three].map(|it| it.memory.host);
    for other in owned.iter().chain([&disk.host, &plan.table_memory, &region(0x4020_0000, MIB)]) {
        assert!(!smmu.memory.overlaps(other), "{other}");
    }
}

#[test]
fn an_smmu_without_streams_of_partitions_needs_nothing() {
    let machine = machine_with_smmu(&[("/a", &[8])]);
    let plan = plan_on(&machine, &with_devices(&["rtc0"], &[])).unwrap();
    assert_eq!(plan.smmus, []);
    assert!(plan.partitions.iter().all(|it| it.dma_tables == 0 && it.dma_mappings.is_empty()));
}

#[test]
fn masters_that_share_a_stream_have_one_owner() {
    let machine = machine_with_smmu(&[("/a", &[8]), ("/b", &[7, 8])]);
    let refusal = |system| plan_on(&machine, &system).unwrap_err().to_string();
    assert_eq!(
        refusal(with_devices(&["/a"], &["/b"])),
        "/partitions/two: devices = \"/b\" has the stream 0x8 of /a, which /partitions/one owns: \
         give both to the same partition"
    );
    let plan = plan_on(&machine, &with_devices(&["/a", "/b"], &[])).unwrap();
    let ids: Vec<_> = plan.smmus[0].streams.iter().map(|it| (it.id, it.device)).collect();
    assert_eq!(ids, [(7, 1), (8, 0)]);
    assert!(plan_on(&machine, &with_devices(&["/a"], &[])).is_ok());
}

#[test]
fn an_smmu_that_cannot_protect_is_refused_if_it_has_to() {
    let refusal = |change: fn(&mut Smmu), id| {
        let mut machine = machine_with_smmu(&[("/a", id)]);
        change(&mut machine.smmus[0]);
        assert!(plan_on(&machine, &with_devices(&["rtc0"], &[])).is_ok(), "nothing is behind it");
        plan_on(&machine, &with_devices(&["/a"], &[])).unwrap_err().to_string()
    };
    let behind = "/partitions/one: devices = \"/a\" is behind /iommu@a100000, which cannot protect \
                  it, because it";
    assert_eq!(
        refusal(|smmu| smmu.features = Err("has no stage 2"), &[8]),
        std::format!("{behind} has no stage 2")
    );
    assert_eq!(
        refusal(|smmu| smmu.events = None, &[8]),
        std::format!("{behind} has no interrupt for its event queue")
    );
    let few = |smmu: &mut Smmu| {
        smmu.features = Ok(Features { stream_bits: 7, ..Features::ASSUMED });
    };
    assert_eq!(
        refusal(few, &[8, 0x80]),
        "/partitions/one: devices = \"/a\" has the stream 0x80, for which /iommu@a100000 has no \
         table: its StreamIDs have 7 bits"
    );
}

#[test]
fn the_smmu_and_its_interrupts_are_nobodys() {
    let mut machine = machine_with_smmu(&[]);
    machine.devices.push(device("/too", (0xb20_0000, 0x1000), Some(106)));
    assert_eq!(
        plan_on(&machine, &with_devices(&["/too"], &[])).unwrap_err().to_string(),
        "/partitions/one: devices = \"/too\" raises interrupt 106, which /iommu@a100000 of \
         Bulkhead raises too"
    );
    assert_eq!(
        plan_on(&machine, &with_devices(&["/iommu@a100000"], &[])).unwrap_err().to_string(),
        "/partitions/one: devices = \"/iommu@a100000\" is used by Bulkhead and cannot be passed \
         through"
    );
}
