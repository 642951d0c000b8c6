//! The translation of registers through `ranges`.

use super::*;

/// Returns the registers of `/outer/inner/device`, on buses with these properties.
fn translated(
    outer: impl FnOnce(&mut Writer),
    inner: impl FnOnce(&mut Writer),
    reg: &[u32],
) -> Result<Vec<Region<Pa>>, NodeError> {
    let bytes = tree(|root| {
        cells(root, 2, 1);
        node(root, "outer", |bus| {
            outer(bus);
            node(bus, "inner", |bus| {
                inner(bus);
                node(bus, "device", |device| device.property_cells("reg", reg));
            });
        });
    });
    let tree = Tree::new(&bytes).unwrap();
    tree.node("/outer/inner/device").unwrap().regions()
}

/// Writes a bus with one cell for addresses and sizes, which translates 0x7e000000 to 0xfe000000
/// and 0x40000000 to 0xff800000.
fn like_a_raspberry_pi(bus: &mut Writer) {
    cells(bus, 1, 1);
    let peripherals = [0x7e00_0000, 0, 0xfe00_0000, 0x180_0000];
    let local = [0x4000_0000, 0, 0xff80_0000, 0x80_0000];
    bus.property_cells("ranges", &[peripherals, local].concat());
}

fn transparent(address: u32, size: u32) -> impl FnOnce(&mut Writer) {
    move |bus| {
        cells(bus, address, size);
        bus.property_empty("ranges");
    }
}

#[test]
fn registers_are_translated_at_every_level() {
    let pi = |reg: &[u32]| translated(like_a_raspberry_pi, transparent(1, 1), reg);
    assert_eq!(
        pi(&[0x4004_1000, 0x1000, 0x7e20_1000, 0x200]),
        Ok([region(0xff84_1000, 0x1000), region(0xfe20_1000, 0x200)].into())
    );
    let twice = translated(
        like_a_raspberry_pi,
        |bus| {
            cells(bus, 1, 1);
            bus.property_cells("ranges", &[0, 0x7e20_0000, 0x1000]);
        },
        &[0x10, 4],
    );
    assert_eq!(twice, Ok([region(0xfe20_0010, 4)].into()));
}

#[test]
fn registers_outside_all_ranges_are_rejected() {
    let pi = |reg: &[u32]| translated(like_a_raspberry_pi, transparent(1, 1), reg);
    for (address, size) in [(0x10, 4), (0x7fff_fffc, 4), (0x7f7f_fffc, 8), (0x4000_0000, 0x80_0001)]
    {
        assert_eq!(
            pi(&[address, size]),
            Err(NodeError::Fault("no `ranges` of its bus contain its registers"))
        );
    }
    assert_eq!(
        translated(|bus| cells(bus, 1, 1), transparent(1, 1), &[0, 4]),
        Err(NodeError::NotMapped)
    );
    assert_eq!(
        translated(transparent(3, 2), transparent(3, 2), &[0; 5]),
        Err(NodeError::NotMapped)
    );
    assert_eq!(
        translated(transparent(2, 1), transparent(2, 1), &[0, 0, 1, 0]),
        Err(NodeError::Fault("its `reg` ends within an entry"))
    );
    let top = u32::MAX;
    assert_eq!(
        translated(transparent(2, 1), transparent(2, 1), &[top, top, 1]),
        Err(NodeError::Fault("its registers reach past the end of 64 bits"))
    );
}
