//! Fuzzes the checker of device trees: a tree that it accepts can be read without a panic.

#![no_main]

use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{ConsoleUart, Machine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = Tree::new(bytes) else { return };
    for node in tree.nodes() {
        let _ = tree.node(&node.path());
        let _ = (node.regions(), node.interrupts(), node.is_available());
        for property in node.properties() {
            assert!(tree.offset_of(property.value).is_some());
            let _ = (property.as_str(), property.number());
        }
    }
    if let Ok(mut machine) = Machine::read(&tree, ConsoleUart::read(&tree)) {
        machine.read_devices(&tree, &|_| true);
    }
});
