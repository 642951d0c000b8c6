//! Controllers of messages.

use super::*;
use crate::boot::msi::Features;
use crate::msi::frame::FrameSpis;

/// The node of a controller below that of the interrupt controller.
fn child(gic: &mut Writer, name: &str, compatible: &str, reg: &[u32], phandle: u32) {
    node(gic, name, |node| {
        node.property_str("compatible", compatible);
        node.property_cells("reg", reg);
        node.property_u32("phandle", phandle);
    });
}

/// Makes the node of the interrupt controller a bus.
fn bus(gic: &mut Writer) {
    (BOARD.gic)(gic);
    cells(gic, 2, 2);
    gic.property_empty("ranges");
}

fn with_its() -> Machine {
    let board = with(|board| {
        board.gic = |gic| {
            bus(gic);
            child(gic, "its@a080000", "arm,gic-v3-its", &[0, 0xa08_0000, 0, 0x2_0000], 30);
            child(gic, "its@a0c0000", "arm,gic-v3-its", &[0, 0xa0c_0000, 0, 0x2_0000], 31);
        };
    });
    board.read().unwrap()
}

#[test]
fn an_its_and_frames_are_read() {
    let machine = with_its();
    let [first, second] = &machine.message_controllers[..] else { panic!() };
    assert_eq!(first.registers, region(0xa08_0000, 0x2_0000));
    assert_eq!((first.kind, first.phandle), (MessageKind::Its(Ok(Features::ASSUMED)), Some(30)));
    assert_eq!(first.page(), Pa::new(0xa09_0000));
    assert!(second.path.ends_with("/its@a0c0000"));
    let board = with(|board| {
        board.gic = |gic| {
            bus(gic);
            child(gic, "v2m@a000000", "arm,gic-v2m-frame", &[0, 0xa00_0000, 0, 0x1000], 30);
            node(gic, "v2m@a001000", |frame| {
                frame.property_str("compatible", "arm,gic-v2m-frame");
                frame.property_cells("reg", &[0, 0xa00_1000, 0, 0x1000]);
                frame.property_u32("arm,msi-base-spi", 96);
                frame.property_u32("arm,msi-num-spis", 32);
            });
        };
    });
    let machine = board.read().unwrap();
    let kinds: Vec<_> = machine.message_controllers.iter().map(|it| (it.kind, it.page())).collect();
    let with = FrameSpis::new(96, 32);
    assert_eq!(
        kinds,
        [
            (MessageKind::Frame(None), Pa::new(0xa00_0000)),
            (MessageKind::Frame(with), Pa::new(0xa00_1000)),
        ]
    );
    assert_eq!(machine.remarks, [""; 0]);
}

#[test]
fn invalid_controllers_are_ignored_with_a_remark() {
    let board = with(|board| {
        board.gic = |gic| {
            bus(gic);
            child(gic, "its@a080000", "arm,gic-v3-its", &[0, 0xa08_0000, 0, 0x1_0000], 30);
            child(gic, "its@a081000", "arm,gic-v3-its", &[0, 0xa08_1000, 0, 0x2_0000], 31);
            child(gic, "v2m@a000800", "arm,gic-v2m-frame", &[0, 0xa00_0800, 0, 0x1000], 32);
        };
    });
    let machine = board.read().unwrap();
    assert_eq!(machine.message_controllers, []);
    let remarks = machine.remarks.join("\n");
    assert_eq!(remarks.matches("its registers are not two pages of 64 KiB").count(), 2);
    assert_eq!(remarks.matches("its registers are not a page").count(), 1);
}

#[test]
fn functions_have_the_device_ids_that_the_map_says() {
    let mut writer = Writer::new();
    node(&mut writer, "", |root| {
        node(root, "a", |pcie| {
            let map = [[0x100, 30, 0x1000, 0x100], [0x200, 31, 5, 1], [0x300, 99, 0, 9]];
            pcie.property_cells("msi-map", map.as_flattened());
            pcie.property_u32("msi-parent", 30);
        });
        node(root, "b", |pcie| {
            pcie.property_u32("msi-map-mask", 0xfff8);
            pcie.property_cells("msi-map", &[0, 31, 0, 0x1_0000]);
        });
        node(root, "c", |pcie| pcie.property_u32("msi-parent", 31));
        node(root, "d", |_| ());
        node(root, "e", |pcie| pcie.property_u32("msi-parent", 99));
    });
    let bytes = writer.finish();
    let tree = Tree::new(&bytes).unwrap();
    let machine = with_its();
    let map = |path, id| {
        let source = machine.message_source(tree.node(path).unwrap(), id)?;
        Some((source.controller, source.id))
    };
    assert_eq!((map("/a", 0x108), map("/a", 0x200)), (Some((0, 0x1008)), Some((1, 5))));
    for id in [0, 0xff, 0x201, 0x300] {
        assert_eq!(map("/a", id), None, "{id:#x}");
    }
    assert_eq!(map("/b", 0x10f), Some((1, 0x108)));
    assert_eq!((map("/c", 0x10), map("/d", 0x10), map("/e", 0x10)), (Some((1, 0x10)), None, None));
}
