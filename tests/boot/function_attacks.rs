//! Attacks by means of PCI Express functions, while a kernel reads its disk.

use std::fs;

use crate::functions::sum;
use common::{Gic, Machine, Outcome, Partition, compile, file, on_both_gics, scratch, source};

on_both_gics!(functions_of_attackers_harm_nobody_and_no_disk);

/// What the engines for DMA are told to access: the disk's partition and its function, the distributor
/// and an SMMU; Bulkhead's image and what it has behind that, the ITS or GICv2's virtual CPU interface,
/// and the console. Each refused access is a line, of which eight are printed for each engine.
const TARGETS: [[&str; 4]; 2] = [
    ["0x60000000", "0x10000000", "0x8000000", "0x9050000"],
    ["0x40200000", "0x40600000", "0x8090040", "0x9000000"],
];

/// Where functions are told to decode memory: over the disk's function and that of another attacker,
/// the distributor, the ITS, the SMMU, the console, RAM, and configuration space.
const PLACES: &str =
    "0x10000000,0x10100000,0x8000000,0x8080000,0x9050000,0x9000000,0x60000000,0x3f000000";

/// Two partitions have an engine for DMA that attacks, and a third stores everything everywhere in the
/// configuration space of two functions behind a port and places their memory over others'. The
/// kernel that reads its disk starts them again, and reads until they have ended, and then once more.
fn functions_of_attackers_harm_nobody_and_no_disk(gic: Gic) {
    let disk = file("target/linux/root.squashfs");
    let drive = |id| format!("file={},if=none,id={id},format=raw,snapshot=on", disk.display());
    let words = "bulkhead.pci bulkhead.read=nvme0n1,16 bulkhead.beside=nvme0n1,one,two,wild \
                 bulkhead.read=nvme0n1,16";
    let kernel = Partition::linux("disk").ramdisk("linux/pci.cpio.gz").memory(256 << 20);
    let kernel = kernel.bootargs(&format!("console=ttyAMA0 quiet {words}"));
    let with = |partition: Partition, functions: &[&str]| {
        let path = |it: &&str| format!("\"/pcie@10000000/pci@{it}\"");
        let paths: Vec<_> = functions.iter().map(path).collect();
        partition.property(&format!("devices = {};", paths.join(", ")))
    };
    let engine = |name, targets: [&str; 4], function| {
        let bootargs = format!("attack={}", targets.join(","));
        with(Partition::new(name, "edu").bootargs(&bootargs), &[function])
    };
    let wild = Partition::new("wild", "functions").bootargs(&format!("attack={PLACES}"));
    let guests = [
        with(kernel, &["1,0"]).property("monitor; host-base = <0x0 0x60000000>;"),
        engine("one", TARGETS[0], "2,0/pci@0,0").property("guest-base = <0x0 0x50000000>;"),
        engine("two", TARGETS[1], "3,0/pci@0,0").property("guest-base = <0x0 0x50000000>;"),
        with(wild, &["4,0/pci@0,0", "4,0/pci@0,1"]),
    ];
    let log = scratch("trace.log");
    let version = gic.version();
    let machine = format!("virt,virtualization=on,gic-version={version},iommu=smmuv3");
    let mut machine = Machine::new(gic).machine(&machine).memory("2G");
    for (option, argument) in [
        // See `no_disk_writes_into_memory_that_a_restart_has_scrubbed`.
        ("-accel", "tcg,thread=single"),
        ("-drive", &*drive("disk")),
        ("-device", "nvme,drive=disk,serial=1,addr=1,romfile="),
        ("-device", "pcie-root-port,id=a,chassis=1,addr=2"),
        ("-device", "edu,bus=a,dma_mask=0xffffffffffffffff"),
        ("-device", "pcie-root-port,id=b,chassis=2,addr=3"),
        ("-device", "edu,bus=b,dma_mask=0xffffffffffffffff"),
        ("-device", "pcie-root-port,id=c,chassis=3,addr=4"),
        ("-device", "edu,bus=c,addr=0.0,multifunction=on"),
        ("-drive", &drive("other")),
        ("-device", "nvme,drive=other,serial=2,bus=c,addr=0.1,romfile="),
        ("-d", "trace:pci_cfg_write"),
        ("-D", &log.display().to_string()),
    ] {
        machine = machine.option(option, argument);
    }
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(300).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("panic");
    expect_disk(&outcome, &sum(&disk));
    for (name, targets) in [("one", TARGETS[0]), ("two", TARGETS[1])] {
        for target in targets {
            let attacks = outcome.of(name).containing(&format!("edu: attacked {target}")).0;
            outcome.check(attacks.len() == 2, &format!("{name} has not attacked {target} twice"));
            for direction in ["to", "from"] {
                let line = format!("{name}: DMA of pci@0,0 {direction} {target} refused");
                outcome.expect_line("bulkhead", &line);
            }
        }
        let done = outcome.of(name).containing("edu: done").0;
        outcome.check(done.len() == 2, &format!("{name} has not ended twice"));
    }
    let done = outcome.of("wild").containing("functions: done, 1 checks").0;
    outcome.check(done.len() == 2, "wild has not ended twice");
    expect_stores(&outcome, &fs::read_to_string(&log).expect("QEMU has written its log"));
}

/// Expects that the disk has this checksum, before, beside and after the attacks.
#[track_caller]
fn expect_disk(outcome: &Outcome, sum: &str) {
    let read = outcome.of("disk").containing(&format!("sum of /dev/nvme0n1 {sum}")).0;
    outcome.check(read.len() == 2, "the disk is not as before");
    // One checksum, and one only.
    let beside = format!("sums of /dev/nvme0n1 beside one two wild: {sum}  -");
    let lines = outcome.of("disk").containing(&beside).0;
    outcome.check(lines.len() == 1 && lines[0].trim_end().ends_with(&beside), "the disk changes");
}

/// Expects that of the stores to configuration space only those reach a function of `wild` that may:
/// to Command, to Base Address Registers with addresses in the window, to MSI and MSI-X, whose
/// messages are checked where they arrive, and Bulkhead's own.
#[track_caller]
fn expect_stores(outcome: &Outcome, log: &str) {
    // The bits for memory, bus master and INTx disable.
    const COMMAND: u32 = 0x406;
    // Boot clears the expansion ROM, and a reset of the controller is initiated in Device Control.
    const OWN: [(u32, u32); 2] = [(0x30, 0), (0x88, 0x8000)];
    let window = outcome.of("bulkhead").containing("pcie        wild: memory of its functions at ");
    let [line] = window.0[..] else { outcome.fail("wild has no window") };
    let window = line.rsplit(' ').next().and_then(|it| it.split_once('-'));
    let address = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let Some((Some(start), Some(end))) = window.map(|(start, end)| (address(start), address(end)))
    else {
        outcome.fail(line)
    };
    let mut stores = 0;
    for line in log.lines().filter(|line| line.contains(" 03:00.")) {
        let mut words = line.split(' ').skip(3);
        let offset = words.next().and_then(|word| address(word.trim_start_matches('@')));
        let value = words.nth(1).and_then(address);
        let (Some(offset), Some(value)) = (offset, value) else { outcome.fail(line) };
        let is_right = match offset {
            0x4 => value & !COMMAND == 0,
            // Boot asks for the size, and puts back what it has found: no address.
            0x10..0x28 => value < 0x10 || value == u32::MAX || (start..end).contains(&value),
            // MSI of `edu`, and Message Control of the controller's MSI-X.
            0x40..=0x4c if line.contains(" edu ") => true,
            0x40 => line.contains(" nvme ") && value & 0x3fff_0000 == 0x0040_0000,
            _ => OWN.iter().any(|(at, bits)| (offset, value & 0xffff) == (*at, *bits)),
        };
        outcome.check(is_right, &format!("a store has reached hardware: {line}"));
        stores += 1;
    }
    outcome.check(stores > 100, &format!("{stores} stores"));
    // Each of the three ports has to check the IDs of what is behind it, and to send that up.
    let ports = log.lines().filter(|line| line.ends_with(" <- 0x1d0000")).count();
    outcome.check(ports == 3, &format!("{ports} ports keep functions apart"));
}
