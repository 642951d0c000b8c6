//! A machine that starts at EL3, where the guest `firmware` takes the place of firmware.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use crate::description::compile;
use crate::files::{file, scratch};
use crate::machine::{Gic, Machine};
use crate::trees::{compile_machine, decompile, qemu_tree};

/// Where the firmware enters the image that it starts.
const IMAGE: u64 = 0x4020_0000;
/// Where the machine's tree is loaded.
const TREE: u64 = 0x4600_0000;
/// Where the firmware is loaded.
const FIRMWARE: u64 = 0x4700_0000;
/// Where the system description is loaded.
const DESCRIPTION: u64 = 0x4800_0000;
/// The size of the initrd that the tree announces, in bytes: more than a description has.
const DESCRIPTION_SIZE: u64 = 1 << 20;

impl Machine {
    /// Returns a `virt` machine of one CPU whose firmware starts Bulkhead with this description,
    /// given as source.
    pub fn with_firmware(gic: Gic, description: &str) -> Self {
        Self::with_firmware_and_words(gic, description, "")
    }

    /// Returns the same machine, with these words on its command line.
    pub fn with_firmware_and_words(gic: Gic, description: &str, words: &str) -> Self {
        let end = DESCRIPTION + DESCRIPTION_SIZE;
        let initrd = format!("linux,initrd-start = <{DESCRIPTION}>; linux,initrd-end = <{end}>;");
        let tree = tree(gic, &format!("semihosting {words}"), &initrd);
        Self::at_el3(gic, &file("target/bulkhead.img"), &tree)
            .option("-device", loader(&compile(description), DESCRIPTION))
    }

    /// Returns the same machine, whose firmware starts a guest with this command line instead.
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

/// Makes the tree of a machine with one CPU and firmware, with this command line and these further
/// properties in `/chosen`.
fn tree(gic: Gic, command_line: &str, chosen: &str) -> PathBuf {
    let machine = format!("virt,virtualization=on,gic-version={}", gic.version());
    let options = ["-cpu", "cortex-a53", "-smp", "1", "-m", "1G", "-kernel"];
    let image = file("target/bulkhead.img");
    let image = image.to_str().expect("paths are UTF-8");
    let options = [&options[..], &[image, "-append", command_line]].concat();
    let tree = scratch("firmware.dtb");
    fs::write(&tree, qemu_tree(&machine, &options)).expect("the tests' directory can be written");
    let (text, _) = decompile(&tree);
    compile_machine(&text.replacen("chosen {", &format!("chosen {{ {chosen}"), 1))
}
