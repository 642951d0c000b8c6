//! What the guest's tree has of passed-through devices, and what is left out.

use super::*;
use crate::boot::machine::find_devices;

// Phandles.
const GPIO: u32 = 7;
const CLOCK: u32 = 8;
const SUPPLY: u32 = 9;
const GATED: u32 = 10;
const OTHER: u32 = 11;
const PHY: u32 = 12;
const AXI: u32 = 13;
const SYSCON: u32 = 14;
const NOP: u32 = 15;
const INPUT: u32 = 16;

fn node(name: &'static str, compatible: &'static [&'static str]) -> Spec {
    Spec::new(name).with("compatible", Text(compatible))
}

fn lines(node: Spec) -> Spec {
    node.with("gpio-controller", Nothing).with("#gpio-cells", Cells(&[2]))
}

/// A bus whose children have addresses of one cell and no size.
fn bus(node: Spec) -> Spec {
    node.with("#address-cells", Cells(&[1])).with("#size-cells", Cells(&[0]))
}

/// The children of the I2C master.
fn on_i2c(i2c: Spec) -> Spec {
    let rtc = node("rtc@68", &["dallas,ds1338"])
        .with("reg", Cells(&[0x68]))
        .with("interrupt-parent", Cells(&[GPIO]))
        .with("interrupts", Cells(&[3, 8]));
    let eeprom = node("eeprom@50", &["atmel,24c02"])
        .with("reg", Cells(&[0x50]))
        .with("vcc-supply", Cells(&[SUPPLY]))
        .with("pagesize", Cells(&[OTHER]));
    let sensor = node("sensor@10", &["acme,sensor"])
        .with("reg", Cells(&[0x10]))
        .with("interrupts", Cells(&[0, 5, 4]))
        .with("vcc-supply", Cells(&[GATED]));
    let off = node("off@11", &["acme,off"]).with("status", Text(&["disabled"]));
    let touch = node("touch@12", &["acme,touch"])
        .with("reg", Cells(&[0x12]))
        .with("reset-gpios", Cells(&[GPIO, 1, 0, OTHER, 1, 0]))
        .with("irq-gpios", Cells(&[GPIO, 2, 0]));
    i2c.child(rtc).child(eeprom).child(sensor).child(off).child(touch)
}

/// A machine with devices that refer to each other.
fn tree_with_references() -> Spec {
    let gic = node("intc", &["arm,gic-400"])
        .with("#interrupt-cells", Cells(&[3]))
        .with("interrupt-controller", Nothing)
        .with("phandle", Cells(&[1]));
    let gpio = lines(node("gpio@b010000", &["arm,pl061"]))
        .with("reg", Cells(&[0xb01_0000, 0x1000]))
        .with("phandle", Cells(&[GPIO]))
        .with("interrupts", Cells(&[0, 40, 4]))
        .with("interrupt-controller", Nothing)
        .with("#interrupt-cells", Cells(&[2]))
        .with("gpio-ranges", Cells(&[OTHER, 0, 0, 8]));
    let i2c = bus(node("i2c@b020000", &["cdns,i2c-r1p14"]))
        .with("reg", Cells(&[0xb02_0000, 0x1000]))
        .with("clocks", Cells(&[CLOCK]));
    let flash = node("flash@0", &["jedec,spi-nor"])
        .with("reg", Cells(&[0]))
        .with("spi-max-frequency", Cells(&[25_000_000]))
        .child(Spec::new("partitions").child(Spec::new("partition@0").with("reg", Cells(&[0, 9]))));
    let spi = bus(node("spi@b030000", &["arm,pl022"]))
        .with("reg", Cells(&[0xb03_0000, 0x1000]))
        .child(flash);
    let mdio = bus(Spec::new("mdio")).child(
        node("ethernet-phy@1", &["ethernet-phy-ieee802.3-c22"])
            .with("reg", Cells(&[1]))
            .with("phandle", Cells(&[PHY])),
    );
    let ethernet = node("ethernet@b040000", &["acme,ethernet"])
        .with("reg", Cells(&[0xb04_0000, 0x1000]))
        .with("phy-handle", Cells(&[PHY]))
        .with("snps,axi-config", Cells(&[AXI]))
        .with("acme,grf", Cells(&[SYSCON, 0x100]))
        .with("syscon", Cells(&[SYSCON, 0x100]))
        .with("resets", Cells(&[OTHER, 4]))
        .with("reset-names", Text(&["mac"]))
        .child(mdio)
        .child(Spec::new("axi-config").with("phandle", Cells(&[AXI])));
    let usb = node("usb@b050000", &["acme,usb"])
        .with("reg", Cells(&[0xb05_0000, 0x100]))
        .with("#address-cells", Cells(&[1]))
        .with("#size-cells", Cells(&[1]))
        .with("ranges", Nothing)
        .with("phys", Cells(&[NOP]))
        .with("phy-names", Text(&["usb2-phy"]))
        .child(node("core@b051000", &["snps,dwc3"]).with("reg", Cells(&[0xb05_1000, 0x1000])));
    let supply = |name, phandle, more: (_, _)| {
        node(name, &["regulator-fixed"]).with("phandle", phandle).with(more.0, more.1)
    };
    let key =
        Spec::new("power").with("gpios", Cells(&[GPIO, 3, 0])).with("linux,code", Cells(&[116]));
    let light = Spec::new("light").with("gpios", Cells(&[OTHER, 3, 0]));
    let soc = Spec::new("soc")
        .with("#address-cells", Cells(&[1]))
        .with("#size-cells", Cells(&[1]))
        .with("ranges", Nothing)
        .child(gpio)
        .child(on_i2c(i2c))
        .child(spi)
        .child(ethernet)
        .child(usb);
    Spec::new("")
        .with("interrupt-parent", Cells(&[1]))
        .child(gic)
        .child(soc)
        .child(
            node("clock", &["fixed-clock"])
                .with("#clock-cells", Cells(&[0]))
                .with("phandle", Cells(&[CLOCK])),
        )
        .child(supply("regulator-a", Cells(&[SUPPLY]), ("vin-supply", Cells(&[INPUT]))))
        .child(supply("regulator-b", Cells(&[GATED]), ("gpio", Cells(&[OTHER, 2, 0]))))
        .child(supply("regulator-c", Cells(&[INPUT]), ("regulator-always-on", Nothing)))
        .child(
            lines(Spec::new("pins"))
                .with("#reset-cells", Cells(&[1]))
                .with("phandle", Cells(&[OTHER])),
        )
        .child(node("syscon", &["syscon"]).with("phandle", Cells(&[SYSCON])))
        .child(
            node("usb-phy", &["usb-nop-xceiv"])
                .with("#phy-cells", Cells(&[0]))
                .with("phandle", Cells(&[NOP])),
        )
        .child(node("keys", &["gpio-keys"]).child(key))
        .child(node("lights", &["gpio-leds"]).child(light))
}

/// Builds the tree of a partition with these devices and passes it to a test, with the remarks.
fn with_devices(devices: &'static [&'static str], test: impl FnOnce(&Tree<'_>, &[String])) {
    let bytes = tree_with_references().tree();
    let tree = Tree::new(&bytes).unwrap();
    let mut machine = machine(gic_v2());
    machine.devices = find_devices(&tree, &|_| true).0;
    let one = partition("one").with("dma", Text(&["unprotected"])).with("devices", Text(devices));
    let plan = plan_on(&machine, &system([one])).unwrap();
    let built = build(&plan.partitions[0], &machine, &tree).ok().unwrap();
    test(&Tree::new(&built.bytes).unwrap(), &built.remarks);
}

fn has(tree: &Tree<'_>, node: &str, property: &str) -> bool {
    tree.node(node).unwrap().property(property).is_some()
}

#[test]
fn children_come_with_their_bus() {
    with_devices(&["/soc/i2c@b020000", "/soc/gpio@b010000"], |tree, remarks| {
        let i2c = tree.node("/i2c@b020000").unwrap();
        let children: Vec<_> = i2c.children().map(|child| child.name()).collect();
        assert_eq!(children, ["rtc@68", "eeprom@50", "sensor@10", "touch@12"]);
        assert_eq!(cells(tree, "/i2c@b020000", "#address-cells"), [1]);
        assert_eq!(cells(tree, "/i2c@b020000/rtc@68", "reg"), [0x68]);
        // Its interrupt is at the GPIO controller, which the partition has.
        assert_eq!(cells(tree, "/i2c@b020000/rtc@68", "interrupt-parent"), [GPIO]);
        assert_eq!(cells(tree, "/i2c@b020000/rtc@68", "interrupts"), [3, 8]);
        assert!(!has(tree, "/i2c@b020000/sensor@10", "interrupts"));
        assert!(!has(tree, "/i2c@b020000/touch@12", "reset-gpios"));
        assert_eq!(cells(tree, "/i2c@b020000/touch@12", "irq-gpios"), [GPIO, 2, 0]);
        // Supplies that nothing switches, with their own.
        let supply = tree.by_phandle(SUPPLY).unwrap();
        assert!(supply.is_compatible("regulator-fixed") && supply.property("vin-supply").is_some());
        assert!(tree.by_phandle(INPUT).is_some() && tree.by_phandle(GATED).is_none());
        assert_eq!(
            remarks,
            [
                "/soc/i2c@b020000/sensor@10 is passed through without its vcc-supply, which \
                 refers to /regulator-b",
                "/soc/i2c@b020000/sensor@10 is passed through without its interrupts, which are \
                 at /intc",
                "/soc/i2c@b020000/touch@12 is passed through without its reset-gpios, which \
                 refers to /pins",
                "/soc/gpio@b010000 is passed through without its gpio-ranges, which refers to \
                 /pins",
            ]
        );
    });
}

#[test]
fn what_belongs_to_a_device_that_is_not_given_is_left_out() {
    with_devices(&["/soc/i2c@b020000"], |tree, remarks| {
        assert!(!has(tree, "/i2c@b020000/rtc@68", "interrupts"));
        assert!(!has(tree, "/i2c@b020000/touch@12", "irq-gpios"));
        assert!(tree.nodes().all(|node| !node.is_compatible("gpio-keys")));
        assert_eq!(
            remarks[0],
            "/soc/i2c@b020000/rtc@68 is passed through without its interrupts, which are at \
             /soc/gpio@b010000"
        );
    });
}

#[test]
fn a_flash_and_its_partitions_come_with_the_spi_master() {
    with_devices(&["/soc/spi@b030000"], |tree, remarks| {
        assert_eq!(cells(tree, "/spi@b030000/flash@0", "spi-max-frequency"), [25_000_000]);
        assert!(tree.node("/spi@b030000/flash@0/partitions/partition@0").is_some());
        assert_eq!(remarks, [""; 0]);
    });
}

#[test]
fn an_ethernet_keeps_its_phy_and_no_reference_to_what_is_not_there() {
    with_devices(&["/soc/ethernet@b040000"], |tree, remarks| {
        let handle = cells(tree, "/ethernet@b040000", "phy-handle");
        let phy = tree.by_phandle(handle[0]).unwrap();
        assert_eq!(phy.path(), "/ethernet@b040000/mdio/ethernet-phy@1");
        let axi = cells(tree, "/ethernet@b040000", "snps,axi-config");
        assert_eq!(tree.by_phandle(axi[0]).unwrap().path(), "/ethernet@b040000/axi-config");
        for gone in ["syscon", "resets", "reset-names"] {
            assert!(!has(tree, "/ethernet@b040000", gone), "{gone}");
        }
        assert_eq!(
            remarks,
            [
                "/soc/ethernet@b040000 is passed through without its syscon, whose references are \
                 not known",
                "/soc/ethernet@b040000 is passed through without its resets, which refers to \
                 /pins",
                "/soc/ethernet@b040000 is passed through with its acme,grf, which may refer to \
                 nodes that the guest's tree lacks",
            ]
        );
    });
}

#[test]
fn keys_and_lights_come_with_their_lines() {
    with_devices(&["/soc/gpio@b010000"], |tree, remarks| {
        let keys = tree.nodes().find(|node| node.is_compatible("gpio-keys")).unwrap();
        let key = keys.child("power").unwrap().property("gpios").unwrap();
        assert_eq!(key.cells().unwrap().collect::<Vec<_>>(), [GPIO, 3, 0]);
        assert!(tree.nodes().all(|node| !node.is_compatible("gpio-leds")));
        assert_eq!(remarks.len(), 1);
    });
}

#[test]
fn a_child_with_registers_is_a_device_of_its_own() {
    with_devices(&["/soc/usb@b050000"], |tree, remarks| {
        let usb = tree.node("/usb@b050000").unwrap();
        assert!(usb.children().next().is_none() && usb.property("#address-cells").is_none());
        let phys = cells(tree, "/usb@b050000", "phys");
        assert!(tree.by_phandle(phys[0]).unwrap().is_compatible("usb-nop-xceiv"));
        assert_eq!(text(tree, "/usb@b050000", "phy-names"), "usb2-phy");
        assert_eq!(
            remarks,
            ["/soc/usb@b050000 is passed through without /soc/usb@b050000/core@b051000, which is \
              a device of its own and is not given to the partition"]
        );
    });
    with_devices(&["/soc/usb@b050000", "/soc/usb@b050000/core@b051000"], |tree, remarks| {
        assert!(tree.node("/core@b051000").is_some());
        assert_eq!(remarks, [""; 0]);
    });
}

/// No cell of a property with references means a node that is not there.
#[test]
fn every_reference_of_a_guests_tree_has_its_node() {
    let all: &[&str] = &[
        "/soc/gpio@b010000",
        "/soc/i2c@b020000",
        "/soc/spi@b030000",
        "/soc/ethernet@b040000",
        "/soc/usb@b050000",
    ];
    for devices in [all, &all[1..], &all[3..]] {
        with_devices(devices, |tree, _| {
            let mut count = 0;
            for node in tree.nodes() {
                for property in node.properties() {
                    for target in node.targets(&property).unwrap_or_default() {
                        assert!(target.is_some(), "{} of {}", property.name, node.path());
                        count += 1;
                    }
                }
            }
            assert!(count > 2);
        });
    }
}
