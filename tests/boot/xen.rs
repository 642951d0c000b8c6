//! A machine's tree with domains for Xen's dom0less boot: Xen and Bulkhead start the same guests.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Gic, Machine, compile_machine, file, machine_tree, on_both_gics};

on_both_gics!(the_same_tree_boots_xen_and_bulkhead);

/// What each guest prints from its first program.
const MARKER: &str = "bulkhead-linux: userspace reached, cpus=1 memory=128MiB";
/// Where the boot loader puts the kernel and the ramdisk of both domains.
const MODULES: [(&str, &str, u64); 2] = [
    ("multiboot,kernel", "target/linux/Image", 0x6000_0000),
    ("multiboot,ramdisk", "target/linux/initramfs.cpio.gz", 0x6400_0000),
];

/// Returns the machine's tree with two domains, each a Debian.
fn tree(gic: Gic) -> PathBuf {
    let mut chosen = String::from("xen,xen-bootargs = \"console=dtuart sync_console\";\n");
    for name in ["domU1", "domU2"] {
        let cells = "#address-cells = <1>; #size-cells = <1>;";
        let properties = "cpus = <1>; memory = <0 0x20000>; vpl011;";
        writeln!(chosen, "{name} {{ compatible = \"xen,domain\"; {cells} {properties}").unwrap();
        for (kind, image, address) in MODULES {
            let size = fs::metadata(file(image)).expect("the images are there").len();
            writeln!(
                chosen,
                "module@{address:x} {{ compatible = \"{kind}\", \"multiboot,module\"; \
                 reg = <{address:#x} {size:#x}>; bootargs = \"console=ttyAMA0 quiet\"; }};"
            )
            .unwrap();
        }
        chosen += "};\n";
    }
    let mut tree = machine_tree(gic);
    let start = tree.find("chosen {").expect("QEMU's tree has a node /chosen");
    let end = start + tree[start..].find("};").expect("the node has an end");
    tree.insert_str(end, &chosen);
    compile_machine(&tree)
}

/// Returns a machine with this tree, whose boot loader has loaded the modules.
fn machine(gic: Gic, tree: &Path) -> Machine {
    MODULES.iter().fold(
        Machine::new(gic).tree(tree).deadline(180),
        |machine, (_, image, address)| {
            let image = file(image);
            let load = format!("loader,file={},addr={address:#x},force-raw=on", image.display());
            machine.option("-device", load)
        },
    )
}

fn the_same_tree_boots_xen_and_bulkhead(gic: Gic) {
    let tree = tree(gic);
    let outcome = machine(gic, &tree).boot();
    outcome.expect_success();
    outcome.expect_line("bulkhead", "description /chosen in the firmware's tree");
    outcome.expect_line("domU1", MARKER).expect_line("domU2", MARKER);
    // Xen runs on when its domains have ended.
    let xen = machine(gic, &tree).kernel(&file("target/linux/xen"));
    let xen = xen.type_after(MARKER, "").kill_after(MARKER, Duration::from_millis(100)).boot();
    xen.expect_killed();
    for name in ["DOM1", "DOM2"] {
        let lines = xen.lines().containing(&format!("(XEN) {name}: {MARKER}")).0.len();
        xen.check(lines == 1, &format!("{name} does not print `{MARKER}`"));
    }
}
