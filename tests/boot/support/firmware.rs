//! A machine that begins at EL3, where the guest `firmware` stands in for its firmware.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::{Gic, Machine, compile, compile_machine, decompile, file, scratch};

/// Where the firmware enters what it starts.
const IMAGE: u64 = 0x4020_0000;
/// Where the firmware has the machine's tree.
const TREE: u64 = 0x4600_0000;
/// Where the firmware itself begins.
const FIRMWARE: u64 = 0x4700_0000;
/// Where the description lies, for Bulkhead.
const DESCRIPTION: u64 = 0x4800_0000;
/// How much is said to be there, in bytes: more than it has.
const DESCRIPTION_SIZE: u64 = 1 << 20;

impl Machine {
    /// A `virt` machine of one CPU, whose firmware starts Bulkhead with this description, as a source.
    pub fn with_firmware(gic: Gic, description: &str) -> Self {
        let end = DESCRIPTION + DESCRIPTION_SIZE;
        let place = format!("linux,initrd-start = <{DESCRIPTION}>; linux,initrd-end = <{end}>;");
        let tree = tree(gic, "semihosting", &place);
        Self::at_el3(gic, &file("target/bulkhead.img"), &tree)
            .option("-device", loader(&compile(description), DESCRIPTION))
    }

    /// The same, but its firmware starts a guest of ours with this command line.
    pub fn with_firmware_alone(gic: Gic, guest: &str, command_line: &str) -> Self {
        let image = file(&format!("target/guests/{guest}.img"));
        Self::at_el3(gic, &image, &tree(gic, command_line, ""))
    }

    fn at_el3(gic: Gic, image: &Path, tree: &Path) -> Self {
        Self::new(gic)
            .machine(&format!("virt,secure=on,virtualization=on,gic-version={}", gic.version()))
            .cpus(1)
            .without_kernel()
            .option("-semihosting-config", "enable=on,target=native")
            .option("-device", loader(&file("target/guests/firmware.img"), FIRMWARE))
            .option("-device", format!("loader,addr={FIRMWARE:#x},cpu-num=0"))
            .option("-device", loader(tree, TREE))
            .option("-device", loader(image, IMAGE))
    }
}

fn loader(file: &Path, address: u64) -> impl Display {
    format!("loader,file={},addr={address:#x},force-raw=on", file.display())
}

/// The tree of a machine with one CPU and firmware, with this command line and these properties in its
/// `/chosen`.
fn tree(gic: Gic, command_line: &str, chosen: &str) -> PathBuf {
    let tree = scratch("firmware.dtb");
    let machine = format!("virt,virtualization=on,gic-version={}", gic.version());
    let dump = format!("{machine},dumpdtb={}", tree.display());
    Machine::new(gic).machine(&dump).cpus(1).command_line(command_line).boot().ends_with(0);
    let (text, _) = decompile(&tree);
    compile_machine(&text.replacen("chosen {", &format!("chosen {{ {chosen}"), 1))
}
