//! What is named as a device and is none.

use super::*;

#[test]
fn a_named_node_that_is_no_device_says_why() {
    let board = Board {
        more: |root| {
            let uart = |bus: &mut Writer, status| {
                node(bus, "uart@9200000", |uart| {
                    uart.property_cells("reg", &[0, 0x920_0000, 0, 0x1000]);
                    uart.property_str("status", status);
                });
            };
            uart(root, "disabled");
            node(root, "off", |bus| {
                cells(bus, 2, 2);
                bus.property_empty("ranges");
                bus.property_str("status", "fail");
                uart(bus, "okay");
            });
            node(root, "i2c", |bus| {
                cells(bus, 2, 2);
                uart(bus, "okay");
            });
            node(root, "empty", |_| ());
            node(root, "aliases", |aliases| aliases.property_str("serial1", "/uart@9200000"));
        },
        ..BOARD
    };
    let bytes = board.bytes();
    let mut machine = board.read().unwrap();
    let names = [
        "/uart@9200000",
        "serial1",
        "/off/uart@9200000",
        "/i2c/uart@9200000",
        "/empty",
        "/timer",
        "/uart@9000000",
        "/nowhere",
        "/intc@8000000",
    ];
    machine.explain_devices(&Tree::new(&bytes).unwrap(), names.into_iter());
    let found: Vec<_> =
        machine.not_devices.iter().map(|not| (not.name.as_str(), not.why.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/uart@9200000", "is disabled in the machine's tree (`status`)"),
            ("serial1", "is disabled in the machine's tree (`status`)"),
            ("/off/uart@9200000", "is disabled in the machine's tree (`status` of /off)"),
            (
                "/i2c/uart@9200000",
                "cannot be passed through: its bus is not in the CPUs' address space"
            ),
            ("/empty", "has neither registers nor interrupts"),
            ("/timer", "is no device that can be passed through"),
        ]
    );
}
