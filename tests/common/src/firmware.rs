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

/// Where a word says what the firmware leaves behind.
const LEAVES: u64 = 0x46f0_0000;

/// What the firmware leaves behind for the image that it starts.
#[derive(Clone, Copy)]
pub enum Leaves {
    /// Nothing.
    Nothing = 0,
    /// CNTFRQ_EL0 is 0.
    NoFrequency = 1,
    /// An SGI was acknowledged and not ended.
    Interrupts = 2,
    /// An LPI is enabled and pending, on GICv3.
    Lpi = 4,
}

impl Machine {
    /// Returns a `virt` machine of one CPU whose firmware starts Bulkhead with this description,
    /// given as source. The firmware has a TRNG, and its tree no seeds.
    pub fn with_firmware(gic: Gic, description: &str) -> Self {
        Self::with_untidy_firmware(gic, description, Leaves::Nothing, &|tree| tree.to_string())
    }

    /// Returns the same machine, with these words on its command line.
    pub fn with_firmware_and_words(gic: Gic, description: &str, words: &str) -> Self {
        let words = format!("semihosting {words}\"");
        let change = |tree: &str| tree.replace("semihosting\"", &words);
        Self::with_untidy_firmware(gic, description, Leaves::Nothing, &change)
    }

    /// Returns the same machine, whose firmware leaves something behind, and whose tree `change`
    /// has changed.
    pub fn with_untidy_firmware(
        gic: Gic,
        description: &str,
        leaves: Leaves,
        change: &dyn Fn(&str) -> String,
    ) -> Self {
        let end = DESCRIPTION + DESCRIPTION_SIZE;
        let initrd = format!("linux,initrd-start = <{DESCRIPTION}>; linux,initrd-end = <{end}>;");
        let text = decompile(&tree(gic, "semihosting", &initrd)).0;
        let tree = compile_machine(&change(&text));
        // With EL3, QEMU ignores Non-secure writes of ICC_AP1R0_EL1 (icc_ap_write), which is where
        // an acknowledged interrupt is with 5 bits of priority.
        let has_el3 = gic == Gic::V2 || !matches!(leaves, Leaves::Interrupts);
        let leaves = leaves as u32;
        Self::with_loader(gic, has_el3, &file("target/bulkhead.img"), &tree)
            .option("-device", loader(&compile(description), DESCRIPTION))
            .option("-device", format!("loader,addr={LEAVES:#x},data={leaves},data-len=4"))
    }

    /// Returns the same machine, whose firmware starts a guest with this command line instead.
    pub fn with_firmware_alone(gic: Gic, guest: &str, command_line: &str) -> Self {
        let image = file(&format!("target/guests/{guest}.img"));
        Self::with_loader(gic, true, &image, &tree(gic, command_line, ""))
    }

    fn with_loader(gic: Gic, has_el3: bool, image: &Path, tree: &Path) -> Self {
        let secure = if has_el3 { "on" } else { "off" };
        let version = gic.version();
        let machine = format!("virt,secure={secure},virtualization=on,gic-version={version}");
        Self::new(gic)
            .machine(&machine)
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
    let version = gic.version();
    let machine = format!("virt,virtualization=on,dtb-randomness=off,gic-version={version}");
    let options = ["-cpu", "cortex-a53", "-smp", "1", "-m", "1G", "-kernel"];
    let image = file("target/bulkhead.img");
    let image = image.to_str().expect("paths are UTF-8");
    let options = [&options[..], &[image, "-append", command_line]].concat();
    let tree = scratch("firmware.dtb");
    fs::write(&tree, qemu_tree(&machine, &options)).expect("the tests' directory can be written");
    let (text, _) = decompile(&tree);
    compile_machine(&text.replacen("chosen {", &format!("chosen {{ {chosen}"), 1))
}
