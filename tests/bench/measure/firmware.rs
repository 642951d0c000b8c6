//! A call that firmware offers, where the guest `firmware` stands in for that at EL3.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::column::Column;
use super::guest::{Found, found};
use crate::support::{
    Gic, Machine, Partition, compile, compile_machine, decompile, file, scratch, system,
};

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

/// SMCCC_ARCH_WORKAROUND_1, where firmware offers it. With EL3 there is a secure state, and the groups of
/// interrupts are not all Bulkhead's: there are no direct ones.
pub fn work_around(column: Column) -> Found {
    let gic = if column.gic() == Gic::V2 { Gic::V2 } else { Gic::V3 };
    let mut machine = Machine::new(gic)
        .machine(&format!("virt,secure=on,virtualization=on,gic-version={}", gic.version()))
        .cpus(1)
        .without_kernel()
        .counting_instructions()
        .option("-semihosting-config", "enable=on,target=native")
        .option("-device", loader(&file("target/guests/firmware.img"), FIRMWARE))
        .option("-device", format!("loader,addr={FIRMWARE:#x},cpu-num=0"));
    if column.bare().is_none() {
        machine = machine
            .option("-device", loader(&tree(gic, "calls", ""), TREE))
            .option("-device", loader(&file("target/guests/bench.img"), IMAGE));
    } else {
        let end = DESCRIPTION + DESCRIPTION_SIZE;
        let place = format!("linux,initrd-start = <{DESCRIPTION}>; linux,initrd-end = <{end}>;");
        machine = machine
            .option("-device", loader(&tree(gic, "semihosting", &place), TREE))
            .option("-device", loader(&file("target/bulkhead.img"), IMAGE));
        let guest = Partition::new("bench", "bench").bootargs("calls");
        let description = compile(&system(&[guest]));
        machine = machine.option("-device", loader(&description, DESCRIPTION));
    }
    let outcome = machine.boot();
    outcome.ends_with(0);
    let name = |(row, figure): (String, _)| {
        (row == "arch-workaround-1").then(|| ("arch-workaround-1-offered".into(), figure))
    };
    found(&outcome).into_iter().filter_map(name).collect()
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
