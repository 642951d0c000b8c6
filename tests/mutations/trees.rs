//! The undamaged trees: those of machines, and the descriptions in dts/.

use std::fs;
use std::path::{Path, PathBuf};

use common::mutations::pack;
use common::{board_tree, dtc, qemu_tree, root};

/// An undamaged tree.
pub struct Seed {
    pub name: String,
    pub bytes: Vec<u8>,
    /// The address of Bulkhead in a machine; 0 for a description.
    pub image: u64,
    /// The address of the description in a machine; 0 for a description.
    pub description: u64,
}

/// Returns the path of a file of this test.
fn scratch(name: &str) -> PathBuf {
    let path = root().join("target/tmp/mutations").join(name);
    fs::create_dir_all(path.parent().expect("it has a directory")).unwrap();
    path
}

/// Returns the tree that QEMU makes with these options.
fn machine(name: &str, machine: &str, options: &[&str], image: u64, description: u64) -> Seed {
    let bytes = pack(&qemu_tree(machine, options));
    Seed { name: name.into(), bytes, image, description }
}

/// Returns the trees of QEMU's `virt` with either GIC, GICv3 with an SMMU, and of its Raspberry Pi 4.
pub fn machines() -> Vec<Seed> {
    let virt = |gic: &str| {
        let options = ["-cpu", "cortex-a53", "-smp", "4", "-m", "2G"];
        let machine_options = format!("virt,virtualization=on,gic-version={gic}");
        machine(&format!("virt-v{gic}"), &machine_options, &options, 0x4020_0000, 0x4800_0000)
    };
    let board = board_tree();
    let board = ["-dtb", board.to_str().unwrap()];
    Vec::from([
        virt("2"),
        virt("3,iommu=smmuv3"),
        machine("raspi4b", "raspi4b", &board, 0x8_0000, 0x800_0000),
    ])
}

/// A description with every property and node, for memory from MEMORY000000 on.
const EVERYTHING: &str = r#"/dts-v1/; / {
    compatible = "bulkhead,system";
    monitor;
    console-cpu = <0x3>;
    partitions {
        one {
            cpu-ids = <0x0 0x1>;
            memory = <0x0 0x2000000>;
            guest-base = <0x0 0x60000000>;
            host-base = <0x0 MEMORY000000>;
            fdt-offset = <0x1000000>;
            bootargs = "console=ttyAMA0";
            console = "virtio";
            count-hypervisor;
            interrupts = "trapped";
            on-crash = "restart";
            max-restarts = <3>;
            watchdog-ms = <1000>;
            monitor;
            kernel { reg = <0x0 MEMORYf00000 0x0 0x1000>; load-offset = <0x2000>; };
            ramdisk { reg = <0x0 MEMORYf01000 0x0 0x4000>; };
            disks { same { same-as = "two/root"; }; };
        };
        two {
            cpus = <1>;
            memory = <0x0 0x800000>;
            dma = "unprotected";
            devices = DEVICES;
            kernel { image = "zero"; flat; };
            disks {
                root { data = [00 01]; read-only; };
                own { reg = <0x0 MEMORYf06000 0x0 0x1000>; };
                scratch { size = <0x0 0x200000>; };
                block { size = <0x0 0x200000>; interface = "virtio"; };
            };
        };
        copy {
            copies = <1>;
            cpus = <1>;
            memory = <0x0 0x200000>;
            kernel { image = "zero"; };
        };
    };
    images { zero { data = [00]; }; };
    links {
        lan { type = "network"; partitions = "one", "two"; mtu = <9000>; no-offload; };
        serial { type = "console"; partitions = "two", "one"; };
        rpc { type = "vsock"; partitions = "one", "two"; };
        frames { type = "memory"; partitions = "two", "one"; size = <0x0 0x200000>; };
    };
};"#;

fn everything(name: &str, memory: &str, devices: &str) -> Seed {
    // The images are in the memory that follows the partition's.
    let (start, images) = (format!("{memory}0"), format!("{memory}8"));
    let text = EVERYTHING.replace("MEMORY000000", &format!("{start}000000"));
    let text = text.replace("MEMORY", &images).replace("DEVICES", devices);
    let source = scratch(&format!("{name}.dts"));
    fs::write(&source, text).unwrap();
    compile(&source)
}

fn compile(source: &Path) -> Seed {
    let (images, file) = (scratch(""), source.to_str().unwrap());
    let arguments = ["-q", "-O", "dtb", "-i", images.to_str().unwrap(), file];
    let name = source.file_stem().unwrap().to_str().unwrap().into();
    Seed { name, bytes: pack(&dtc(&arguments, &[])), image: 0, description: 0 }
}

/// Compiles every description in dts/, with small files in place of the images, and the two
/// descriptions with every property.
pub fn descriptions() -> Vec<Seed> {
    let mut image = vec![0; 512];
    image[16..24].copy_from_slice(&0x20_0000_u64.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    for file in fs::read_dir(root().join("guests/src/bin")).unwrap() {
        let name = file.unwrap().path().with_extension("img");
        let name = name.file_name().unwrap().to_str().unwrap().to_string();
        fs::write(scratch(&format!("guests/{name}")), [0; 256]).unwrap();
    }
    let sources = fs::read_dir(root().join("dts")).unwrap().map(|file| file.unwrap().path());
    let mut sources: Vec<_> =
        sources.filter(|file| file.extension().is_some_and(|it| it == "dts")).collect();
    sources.sort();
    for source in &sources {
        let text = fs::read_to_string(source).unwrap();
        for name in text.split("/incbin/(\"linux/").skip(1) {
            let name = name.split('"').next().unwrap();
            fs::write(scratch(&format!("linux/{name}")), &image).unwrap();
        }
    }
    let devices = "\"/pl031@9010000\", \"/fw-cfg@9020000\"; \
                   trusted-devices = \"/pl061@9030000\"";
    let of_board = "\"/soc/txp@7e004000\", \"/soc/i2c@7e205000\"; \
                    trusted-devices = \"/soc/i2c@7e804000\"";
    let own = [
        everything("everything-virt", "0x7", devices),
        everything("everything-raspi4b", "0x2", of_board),
    ];
    sources.iter().map(|source| compile(source)).chain(own).collect()
}
