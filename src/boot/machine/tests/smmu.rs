//! SMMUs and streams.

use super::*;
use crate::arch::intid::{Interrupt, Trigger};

const SMMU: u32 = 20;
const OTHER: u32 = 21;

/// A node of an SMMUv3 with these interrupts, whose names are `names`.
fn smmu(root: &mut Writer, name: &str, phandle: u32, reg: u32, more: impl FnOnce(&mut Writer)) {
    node(root, name, |smmu| {
        smmu.property_str("compatible", "arm,smmu-v3");
        smmu.property_cells("reg", &[0, reg, 0, 0x2_0000]);
        smmu.property_u32("#iommu-cells", 1);
        smmu.property_u32("phandle", phandle);
        more(smmu);
    });
}

/// Two SMMUs, and a device for which `more` writes properties.
fn with_device(root: &mut Writer, more: impl FnOnce(&mut Writer)) {
    smmu(root, "iommu@a000000", SMMU, 0xa00_0000, |_| ());
    smmu(root, "iommu@a100000", OTHER, 0xa10_0000, |_| ());
    node(root, "dma@b000000", |device| {
        device.property_str("compatible", "arm,pl330");
        device.property_cells("reg", &[0, 0xb00_0000, 0, 0x1000]);
        more(device);
    });
}

fn edge(number: u32) -> Option<Interrupt> {
    Some(Interrupt { intid: intid(number), trigger: Trigger::Edge })
}

#[test]
fn an_smmu_is_read_with_its_interrupts() {
    let board = with(|board| {
        board.more = |root| {
            smmu(root, "iommu@a000000", SMMU, 0xa00_0000, |smmu| {
                let names = ["eventq", "priq", "cmdq-sync", "gerror"];
                smmu.property_strings("interrupt-names", &names);
                let spi = |number| [0, number, 1];
                let interrupts = [spi(74), spi(75), spi(76), spi(77)];
                smmu.property_cells("interrupts", interrupts.as_flattened());
            });
            smmu(root, "iommu@a100000", OTHER, 0xa10_0000, |smmu| {
                smmu.property_cells("interrupts", &[0, 80, 1]);
            });
            smmu(root, "iommu@a200000", 22, 0xa20_0000, |_| ());
        };
    });
    let machine = board.read().unwrap();
    let [named, combined, silent] = &machine.smmus[..] else { panic!() };
    assert_eq!(named.path, "/iommu@a000000");
    assert_eq!(named.registers, region(0xa00_0000, 0x2_0000));
    assert_eq!((named.events, named.errors), (edge(106), edge(109)));
    assert_eq!((combined.events, combined.errors), (edge(112), edge(112)));
    assert_eq!((silent.events, silent.errors), (None, None));
    assert_eq!(machine.remarks, [""; 0]);
}

#[test]
fn an_invalid_smmu_is_ignored_with_a_remark() {
    let board = with(|board| {
        board.more = |root| {
            for (name, reg, cells) in [
                ("iommu@a000000", &[0, 0xa00_0000, 0, 0x1_0000][..], 1),
                ("iommu@a001000", &[0, 0xa00_1000, 0, 0x2_0000], 1),
                ("iommu@a200000", &[0, 0xa20_0000, 0, 0x2_0000], 2),
                ("iommu", &[], 1),
            ] {
                node(root, name, |smmu| {
                    smmu.property_str("compatible", "arm,smmu-v3");
                    smmu.property_cells("reg", reg);
                    smmu.property_u32("#iommu-cells", cells);
                });
            }
        };
    });
    let machine = board.read().unwrap();
    assert_eq!(machine.smmus, []);
    let pages = "its registers are not two pages of 64 KiB";
    assert_eq!(
        machine.remarks,
        [
            std::format!("/iommu@a000000 is ignored: {pages}"),
            std::format!("/iommu@a001000 is ignored: {pages}"),
            "/iommu@a200000 is ignored: `#iommu-cells` is missing or invalid".to_string(),
            "/iommu is ignored: `reg` is missing or invalid".to_string(),
        ]
    );
}

/// The streams of the device with this `iommus`.
fn streams(iommus: fn(&mut Writer)) -> Vec<(usize, u32)> {
    // `Board` has functions without captures, so the tree is written here.
    let mut writer = Writer::new();
    node(&mut writer, "", |root| {
        cells(root, 2, 2);
        with_device(root, iommus);
    });
    let bytes = writer.finish();
    let tree = Tree::new(&bytes).unwrap();
    let mut machine = with(|board| board.more = |root| with_device(root, |_| ())).read().unwrap();
    machine.read_devices(&tree, &|_| true);
    let device = machine.devices.iter().find(|it| it.path == "/dma@b000000").unwrap();
    device.streams.iter().map(|it| (it.smmu, it.id)).collect()
}

#[test]
fn streams_of_a_master_are_read() {
    assert_eq!(streams(|_| ()), []);
    assert_eq!(streams(|it| it.property_cells("iommus", &[SMMU, 7])), [(0, 7)]);
    let several = |it: &mut Writer| {
        it.property_cells("iommus", &[OTHER, 9, SMMU, 8, SMMU, u32::MAX, SMMU, 8]);
    };
    assert_eq!(streams(several), [(0, 8), (0, u32::MAX), (1, 9)]);
}

/// A master that reaches memory by one way that no SMMU guards is as one without any.
#[test]
fn streams_that_are_not_all_known_are_none() {
    assert_eq!(streams(|it| it.property_cells("iommus", &[SMMU, 7, 99, 1])), []);
    assert_eq!(streams(|it| it.property_cells("iommus", &[SMMU, 7, SMMU])), []);
    assert_eq!(streams(|it| it.property("iommus", &[0, 0, 0])), []);
}

#[test]
fn functions_have_the_streams_that_the_map_says() {
    let mut writer = Writer::new();
    node(&mut writer, "", |root| {
        node(root, "a", |pcie| {
            let map = [[0x100, SMMU, 0x1000, 0x100], [0x200, OTHER, 5, 1], [0x300, 99, 0, 9]];
            pcie.property_cells("iommu-map", map.as_flattened());
        });
        node(root, "b", |pcie| {
            pcie.property_u32("iommu-map-mask", 0xfff8);
            pcie.property_cells("iommu-map", &[0, SMMU, 0, 0x1_0000]);
        });
        node(root, "c", |_| ());
        node(root, "d", |pcie| pcie.property_cells("iommu-map", &[0, SMMU, u32::MAX, 2]));
        node(root, "e", |pcie| pcie.property_cells("iommu-map", &[0, SMMU, 0]));
    });
    let bytes = writer.finish();
    let tree = Tree::new(&bytes).unwrap();
    let machine = with(|board| board.more = |root| with_device(root, |_| ())).read().unwrap();
    let map = |path, id| {
        let stream = machine.iommu_map(tree.node(path).unwrap(), id)?;
        Some((stream.smmu, stream.id))
    };
    assert_eq!(map("/a", 0x108), Some((0, 0x1008)));
    assert_eq!(map("/a", 0x1ff), Some((0, 0x10ff)));
    assert_eq!(map("/a", 0x200), Some((1, 5)));
    for id in [0, 0xff, 0x201, 0x300, 0xffff] {
        assert_eq!(map("/a", id), None, "{id:#x}");
    }
    assert_eq!(map("/b", 0x10f), Some((0, 0x108)), "the functions of a device share a stream");
    assert_eq!(map("/c", 0), None);
    assert_eq!((map("/d", 0), map("/d", 1)), (Some((0, u32::MAX)), None));
    assert_eq!(map("/e", 0), None);
}
