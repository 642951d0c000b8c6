//! What the owners of devices can affect.

use alloc::string::String;
use std::collections::BTreeSet;

use super::*;
use crate::boot::machine::known::{BUS_MASTERS, HARMLESS};

/// What the owner of a device with these names and further properties can affect.
fn reach(names: &[&str], more: &[&str]) -> Reach {
    let mut writer = Writer::new();
    node(&mut writer, "", |root| {
        node(root, "device", |device| {
            device.property_strings("compatible", names);
            for name in more {
                device.property_u32(name, 1);
            }
        });
    });
    let bytes = writer.finish();
    let tree = Tree::new(&bytes).unwrap();
    Reach::of(tree.node("/device").unwrap())
}

#[test]
fn only_known_devices_are_harmless() {
    for names in HARMLESS.iter() {
        assert_eq!(reach(&[names], &[]), Reach::Partition, "{names}");
    }
    for names in BUS_MASTERS.iter() {
        assert_eq!(reach(&[names], &[]), Reach::Memory, "{names}");
    }
    let all = || HARMLESS.iter().chain(BUS_MASTERS.iter());
    assert_eq!(all().collect::<BTreeSet<_>>().len(), all().count(), "a name is there twice");
    for names in [&["acme,coprocessor"][..], &["arm,primecell"], &[], &["snps,dw-apb-uart-dma"]] {
        assert_eq!(reach(names, &[]), Reach::Unknown, "{names:?}");
    }
}

#[test]
fn the_first_name_makes_a_device_harmless_and_any_makes_it_a_bus_master() {
    assert_eq!(reach(&["arm,pl011", "arm,primecell"], &[]), Reach::Partition);
    // This one has a DMA engine.
    assert_eq!(reach(&["brcm,bcm7271-uart", "ns16550a"], &[]), Reach::Unknown);
    assert_eq!(reach(&["fsl,imx8mq-dwc3", "snps,dwc3"], &[]), Reach::Memory);
    assert_eq!(reach(&["arm,cortex-a53-pmu"], &[]), Reach::Partition);
}

#[test]
fn properties_show_bus_masters_and_what_devices_steer() {
    let uart = &["arm,pl011"][..];
    let unknown = &["acme,device"][..];
    for (names, property, expected) in [
        (uart, "dmas", Reach::Channels),
        (uart, "iommus", Reach::Memory),
        (uart, "dma-coherent", Reach::Memory),
        (uart, "#dma-cells", Reach::Memory),
        (uart, "#clock-cells", Reach::Partition),
        (&["arm,pl061"], "interrupt-controller", Reach::Partition),
        (unknown, "dmas", Reach::Unknown),
        (unknown, "#clock-cells", Reach::Machine("steers the clocks of other devices")),
        (unknown, "#reset-cells", Reach::Machine("can reset other devices")),
        (unknown, "interrupt-controller", Reach::Machine("steers the interrupts of other devices")),
        (unknown, "reg-shift", Reach::Unknown),
    ] {
        assert_eq!(reach(names, &[property]), expected, "{names:?} with {property}");
    }
}

#[test]
fn names_show_what_devices_steer() {
    for (names, expected) in [
        (&["arm,sp805", "arm,primecell"][..], "can reset the whole machine"),
        (&["fsl,imx8mm-wdt", "fsl,imx21-wdt"], "can reset the whole machine"),
        (&["fsl,imx8mq-iomuxc"], "steers the pins of other devices"),
        (
            &["arm,coresight-cpu-debug", "arm,primecell"],
            "can halt and trace the CPUs of other partitions",
        ),
        (&["acme,control", "syscon"], "has registers that concern several devices"),
        (&["brcm,bcm2711-avs-monitor", "syscon"], "steers the power of the machine"),
    ] {
        assert_eq!(reach(names, &[]), Reach::Machine(expected), "{names:?}");
    }
}

/// The devices of a board with these nodes.
fn devices(more: fn(&mut Writer)) -> Vec<Device> {
    let bytes = Board { more, ..BOARD }.bytes();
    let tree = Tree::new(&bytes).unwrap();
    let mut machine = Machine::read(&tree, ConsoleUart::read(&tree)).unwrap();
    machine.read_devices(&tree, &|_| true);
    machine.devices
}

/// A GPIO controller, and an I2C master with a child, both of which have phandles.
fn referees(root: &mut Writer) {
    fn registers(device: &mut Writer, at: u32, name: &str) {
        device.property_cells("reg", &[0, at, 0, 0x1000]);
        device.property_str("compatible", name);
    }
    node(root, "gpio@1000", |gpio| {
        registers(gpio, 0x1000, "arm,pl061");
        gpio.property_u32("phandle", 7);
        gpio.property_u32("#gpio-cells", 2);
    });
    node(root, "other-gpio", |gpio| {
        gpio.property_u32("phandle", 9);
        gpio.property_u32("#gpio-cells", 2);
    });
    node(root, "i2c@2000", |i2c| {
        registers(i2c, 0x2000, "cdns,i2c-r1p14");
        cells(i2c, 1, 0);
        node(i2c, "pmic@4b", |pmic| {
            pmic.property_u32("reg", 0x4b);
            node(pmic, "buck", |buck| buck.property_u32("phandle", 8));
        });
    });
}

#[test]
fn nodes_that_refer_to_a_device_are_served_by_it() {
    let serves = |more| -> Vec<String> {
        let devices = devices(more);
        devices.iter().flat_map(|device| device.serves.iter().cloned()).collect()
    };
    fn refers(root: &mut Writer, property: &str, cells: &[u32], names: &[&str]) {
        referees(root);
        node(root, "user", |user| {
            user.property_strings("compatible", names);
            node(user, "part", |part| part.property_cells(property, cells));
        });
    }
    assert_eq!(serves(referees), [""; 0]);
    let user = ["/user/part"];
    assert_eq!(serves(|it| refers(it, "reset-gpios", &[7, 3, 0], &[])), user);
    assert_eq!(serves(|it| refers(it, "vcc-supply", &[8], &[])), user);
    assert_eq!(serves(|it| refers(it, "interrupt-parent", &[7], &[])), user);
    assert_eq!(serves(|it| refers(it, "syscon", &[7, 0x10, 1], &[])), user);
    // Neither a line with the number 7, nor a property without references.
    assert_eq!(serves(|it| refers(it, "reset-gpios", &[9, 7, 0], &[])), [""; 0]);
    assert_eq!(serves(|it| refers(it, "reg-shift", &[7], &[])), [""; 0]);
    // Keys and lights come with the lines.
    assert_eq!(serves(|it| refers(it, "gpios", &[7, 3, 0], &["gpio-keys"])), [""; 0]);
    let disabled = |root: &mut Writer| {
        referees(root);
        node(root, "user", |user| {
            user.property_str("status", "disabled");
            user.property_cells("gpios", &[7, 3, 0]);
        });
    };
    assert_eq!(serves(disabled), [""; 0]);
}

#[test]
fn a_bus_with_a_window_is_no_device() {
    fn bus(root: &mut Writer, names: &[&str], ranges: bool, child: u32) {
        node(root, "bus@10000", |bus| {
            bus.property_strings("compatible", names);
            bus.property_cells("reg", &[0, 0x1_0000, 0, 0x1_0000]);
            cells(bus, 2, 2);
            if ranges {
                bus.property_empty("ranges");
            }
            node(bus, "uart@18000", |uart| {
                uart.property_cells("reg", &[0, child, 0, 0x1000]);
                uart.property_str("compatible", "arm,pl011");
            });
        });
    }
    let has_bus = |more| devices(more).iter().any(|it| it.path == "/bus@10000");
    assert!(!has_bus(|root| bus(root, &["fsl,aips-bus", "simple-bus"], true, 0x1_8000)));
    assert!(has_bus(|root| bus(root, &["syscon", "simple-mfd"], true, 0x1_8000)));
    assert!(has_bus(|root| bus(root, &["simple-bus"], true, 0x2_8000)), "the child is elsewhere");
    assert!(has_bus(|root| bus(root, &["simple-bus"], false, 0x1_8000)), "no child is mapped");
}
