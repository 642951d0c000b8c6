//! The interrupts of nodes.

use super::*;
use crate::arch::intid::{Interrupt, Intid, Trigger};

/// Returns the interrupts of a device with these properties, in a tree with a GIC (phandle 1), a
/// controller with one cell (2), a node that is no controller (3) and one that is its own interrupt
/// parent (4).
fn interrupts(device: impl FnOnce(&mut Writer)) -> Result<Vec<Interrupt>, NodeError> {
    let bytes = tree(|root| {
        root.property_u32("interrupt-parent", 1);
        node(root, "gic", |gic| {
            gic.property_strings("compatible", &["acme,gic", "arm,gic-400"]);
            gic.property_u32("phandle", 1);
            gic.property_u32("#interrupt-cells", 3);
        });
        node(root, "gpio", |gpio| {
            gpio.property_u32("phandle", 2);
            gpio.property_u32("#interrupt-cells", 1);
        });
        node(root, "plain", |plain| plain.property_u32("phandle", 3));
        node(root, "circle", |circle| {
            circle.property_u32("phandle", 4);
            circle.property_u32("interrupt-parent", 4);
        });
        node(root, "bus", |bus| node(bus, "device", device));
    });
    let tree = Tree::new(&bytes).unwrap();
    tree.node("/bus/device").unwrap().interrupts()
}

fn interrupt(number: u32, trigger: Trigger) -> Interrupt {
    let intid = Intid::new(number).unwrap();
    Interrupt { intid, trigger }
}

#[test]
fn interrupts_are_those_of_the_gic() {
    let edge = interrupt(33, Trigger::Edge);
    let level = interrupt(27, Trigger::Level);
    let both = [edge, level];
    let inherited = |d: &mut Writer| d.property_cells("interrupts", &[0, 1, 1, 1, 11, 0xf04]);
    assert_eq!(interrupts(inherited), Ok(both.into()));
    let other = |d: &mut Writer| {
        d.property_u32("interrupt-parent", 2);
        d.property_cells("interrupts", &[5]);
    };
    assert_eq!(interrupts(other), Ok([].into()));
    let extended = |d: &mut Writer| {
        d.property_cells("interrupts-extended", &[1, 0, 1, 1, 2, 5, 1, 1, 11, 8]);
        d.property_cells("interrupts", &[0, 2, 1]);
    };
    assert_eq!(interrupts(extended), Ok(both.into()));
    let by_way_of = |d: &mut Writer| {
        d.property_u32("interrupt-parent", 3);
        d.property_cells("interrupts", &[0, 1, 1]);
    };
    assert_eq!(interrupts(by_way_of), Ok([edge].into()));
    assert_eq!(interrupts(|_| ()), Ok([].into()));
}

#[test]
fn invalid_interrupts_are_rejected() {
    let plain = |cells: &'static [u32]| interrupts(|d| d.property_cells("interrupts", cells));
    assert_eq!(plain(&[0, 1]), Err(NodeError::Fault("its interrupts end within a specifier")));
    for (kind, number) in [(0, 988), (1, 16), (2, 0)] {
        let cells = [kind, number, 4];
        assert_eq!(
            interrupts(|d| d.property_cells("interrupts", &cells)),
            Err(NodeError::Fault("it has an interrupt that the GIC does not have"))
        );
    }
    let with_parent = |phandle| {
        interrupts(|d| {
            d.property_u32("interrupt-parent", phandle);
            d.property_cells("interrupts", &[0, 1, 4]);
        })
    };
    assert_eq!(with_parent(9), Err(NodeError::Fault("its interrupt parent does not exist")));
    assert_eq!(with_parent(4), Err(NodeError::Fault("it has no interrupt controller")));
    let extended =
        |cells: &'static [u32]| interrupts(|d| d.property_cells("interrupts-extended", cells));
    assert_eq!(
        extended(&[1, 0, 1]),
        Err(NodeError::Fault("its interrupts end within a specifier"))
    );
    assert_eq!(extended(&[3, 0]), Err(NodeError::Fault("it has no interrupt controller")));
    assert_eq!(extended(&[9]), Err(NodeError::Fault("its interrupt parent does not exist")));
}
