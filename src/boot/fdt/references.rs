//! References of nodes to others: properties with phandles (Devicetree Specification 0.4, section
//! 2.3.3, and the bindings of the properties).

use alloc::vec::Vec;

use super::{Node, Property};

/// What follows each phandle in a property.
#[derive(Clone, Copy)]
enum Arguments {
    /// A number of cells that the binding of the property sets.
    Fixed(u32),
    /// As many cells as this property of the node says that the phandle refers to.
    Cells(&'static str),
    /// The same, or none if the node lacks that property.
    CellsOrNone(&'static str),
    /// The phandles are among other cells, in an order that only the binding of the node tells.
    Opaque,
}
use Arguments::{Cells, CellsOrNone, Fixed, Opaque};

/// The properties with phandles, by their names.
#[rustfmt::skip]
const NAMES: &[(&str, Arguments)] = &[
    ("assigned-clock-parents", Cells("#clock-cells")), ("assigned-clocks", Cells("#clock-cells")),
    ("backlight", Fixed(0)), ("clocks", Cells("#clock-cells")), ("cpu", Fixed(0)),
    ("cooling-device", Cells("#cooling-cells")), ("ddc-i2c-bus", Fixed(0)),
    ("dmas", Cells("#dma-cells")), ("extcon", Fixed(0)), ("gpio-ranges", Fixed(3)),
    ("gpio", Cells("#gpio-cells")), ("gpios", Cells("#gpio-cells")),
    ("hwlocks", Cells("#hwlock-cells")), ("i2c-bus", Fixed(0)), ("i2c-parent", Fixed(0)),
    ("interconnects", Cells("#interconnect-cells")), ("interrupt-map", Opaque),
    ("interrupt-parent", Fixed(0)), ("interrupts-extended", Cells("#interrupt-cells")),
    ("io-backends", Cells("#io-backend-cells")), ("io-channels", Cells("#io-channel-cells")),
    ("iommu-map", Opaque), ("iommus", Cells("#iommu-cells")), ("mboxes", Cells("#mbox-cells")),
    ("mdio-parent-bus", Fixed(0)), ("memory-region", Fixed(0)), ("mmc-pwrseq", Fixed(0)),
    ("msi-map", Opaque), ("msi-parent", CellsOrNone("#msi-cells")),
    ("mux-controls", Cells("#mux-control-cells")), ("nvmem", Fixed(0)),
    ("nvmem-cells", CellsOrNone("#nvmem-cell-cells")), ("operating-points-v2", Fixed(0)),
    ("panel", Fixed(0)), ("pcs-handle", Fixed(0)), ("phy", Fixed(0)), ("phy-handle", Fixed(0)),
    ("phys", Cells("#phy-cells")), ("port", Fixed(0)), ("ports", Fixed(0)),
    ("power-domains", Cells("#power-domain-cells")), ("pwms", Cells("#pwm-cells")),
    ("remote-endpoint", Fixed(0)), ("resets", Cells("#reset-cells")), ("sfp", Fixed(0)),
    ("snps,axi-config", Fixed(0)), ("snps,mtl-rx-config", Fixed(0)),
    ("snps,mtl-tx-config", Fixed(0)),
    ("sound-dai", Cells("#sound-dai-cells")), ("sram", Fixed(0)), ("syscon", Opaque),
    ("thermal-sensors", Cells("#thermal-sensor-cells")), ("trip", Fixed(0)),
];

/// The properties with phandles, by the ends of their names.
const ENDS: &[(&str, Arguments)] = &[
    ("-gpio", Cells("#gpio-cells")),
    ("-gpios", Cells("#gpio-cells")),
    ("-phandle", Fixed(0)),
    ("-supply", Fixed(0)),
];

/// Returns what follows the phandles in a property with this name; `None` if it has no phandles.
fn arguments(name: &str) -> Option<Arguments> {
    let of_pins = || {
        let number = name.strip_prefix("pinctrl-")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(Fixed(0))
    };
    let by_end = || Some(ENDS.iter().find(|(end, _)| name.ends_with(end))?.1);
    let by_name = NAMES.iter().find(|(known, _)| *known == name);
    by_name.map(|(_, arguments)| *arguments).or_else(by_end).or_else(of_pins)
}

impl<'t, 'a> Node<'t, 'a> {
    /// Returns the nodes that one of its properties refers to, in the order of the property, with
    /// `None` for what cannot be read: a phandle that no node has, arguments that are cut off, or a
    /// property whose form is not known. Zeros stand for references that are left out.
    ///
    /// Returns `None` if the property has no phandles as far as its name says.
    #[inline(never)]
    pub(crate) fn targets(self, property: &Property<'a>) -> Option<Vec<Option<Self>>> {
        let arguments = arguments(property.name)?;
        let mut targets = Vec::new();
        let (mut cells, []) = property.value.as_chunks::<4>() else {
            return Some(Vec::from([None]));
        };
        while let [phandle, rest @ ..] = cells {
            cells = rest;
            let phandle = u32::from_be_bytes(*phandle);
            if phandle == 0 {
                continue;
            }
            let target = Self::by_phandle(self.index, phandle);
            let cells_of = |name| target?.property(name)?.u32();
            let count = match arguments {
                Fixed(count) => Some(count),
                Cells(name) => cells_of(name),
                CellsOrNone(name) => target.map(|_| cells_of(name).unwrap_or(0)),
                Opaque => None,
            };
            match count.and_then(|count| cells.split_at_checked(count as usize)) {
                Some((_, rest)) => cells = rest,
                None => {
                    targets.push(None);
                    break;
                }
            }
            targets.push(target);
        }
        Some(targets)
    }

    /// Returns whether this property has a cell that is one of `phandles`.
    pub(crate) fn has_cell(property: &Property<'_>, phandles: &[u32]) -> bool {
        let cells = property.value.as_chunks::<4>();
        let (cells, []) = cells else { return false };
        cells.iter().any(|cell| phandles.contains(&u32::from_be_bytes(*cell)))
    }
}
