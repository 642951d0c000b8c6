//! The trees of guests on the machines that QEMU makes, checked by dtc, and the Plans of the
//! descriptions in dts/.

use std::fs;
use std::path::Path;

use bulkhead::boot::fdt::Tree;
use bulkhead::boot::guest_tree;
use bulkhead::boot::machine::Machine;
use bulkhead::boot::plan::Plan;
use common::{dtc, qemu_tree, root, scratch_directory};

use super::{read, region};

/// Returns the tree of QEMU's `virt` with this GIC.
fn virt(gic: u32) -> Vec<u8> {
    let machine = format!("virt,virtualization=on,gic-version={gic}");
    qemu_tree(&machine, &["-cpu", "cortex-a53", "-smp", "4", "-m", "2G"])
}

/// Compiles a description in dts/, with small files in place of the images.
fn description(directory: &Path, name: &str) -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[16..24].copy_from_slice(&0x20_0000_u64.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    for file in ["linux/Image", "linux/initramfs.cpio.gz"] {
        write(&directory.join(file), &image);
    }
    for file in ["guests/hello.img", "guests/smp.img"] {
        write(&directory.join(file), &[0; 4096]);
    }
    let source = root().join(format!("dts/{name}.dts"));
    let (include, source) = (directory.to_str().unwrap(), source.to_str().unwrap());
    dtc(&["-O", "dtb", "-i", include, source], &[])
}

fn write(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// Makes the Plan of `description` on the machine of `tree`, which must not be refused.
fn plan(tree: &Tree<'_>, description: &[u8]) -> (Machine, Plan) {
    let mut machine = read(tree);
    machine.reserve(region(0x4020_0000, 0x20_0000), "Bulkhead");
    let plan = super::plan(&machine, description, 0x4800_0000);
    (machine, plan.unwrap_or_else(|error| panic!("{error}")))
}

const DESCRIPTIONS: [&str; 7] = ["default", "hello", "smp", "four", "linux", "linux-alone", "rpi4"];

#[test]
fn dtc_accepts_the_guests_trees_of_every_description() {
    for gic in [2, 3] {
        let directory = scratch_directory(&format!("guest-trees-{gic}"));
        let virt = virt(gic);
        let tree = Tree::new(&virt).unwrap();
        for name in DESCRIPTIONS {
            let (machine, plan) = plan(&tree, &description(&directory, name));
            for partition in &plan.partitions {
                let built = guest_tree::build(partition, &machine, &tree);
                let built = built.unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(built.remarks, [""; 0]);
                let source = dtc(&["-I", "dtb", "-O", "dts"], &built.bytes);
                assert!(source.starts_with(b"/dts-v1/;"));
                Tree::new(&built.bytes).unwrap();
            }
        }
        fs::remove_dir_all(directory).unwrap();
    }
}

#[test]
fn guest_tree_has_the_devices_of_virt() {
    const DEVICES: &str = r#"/dts-v1/; / {
        compatible = "bulkhead,system";
        partitions {
            one {
                cpus = <2>;
                memory = <0x0 0x1000000>;
                dma = "unprotected";
                watchdog-ms = <1000>;
                monitor;
                devices = "/pl031@9010000", "/pl061@9030000", "/fw-cfg@9020000";
                kernel { data = [00]; };
            };
        };
    };"#;
    for gic in [2, 3] {
        let virt = virt(gic);
        let tree = Tree::new(&virt).unwrap();
        let description = dtc(&["-O", "dtb"], DEVICES.as_bytes());
        let (machine, plan) = plan(&tree, &description);
        let built = guest_tree::build(&plan.partitions[0], &machine, &tree);
        let built = built.unwrap_or_else(|error| panic!("{error}"));
        dtc(&["-I", "dtb", "-O", "dts"], &built.bytes);
        let guest = Tree::new(&built.bytes).unwrap();
        for name in ["/pl031@9010000", "/pl061@9030000", "/fw-cfg@9020000"] {
            let (own, machines) = (guest.node(name).unwrap(), tree.node(name).unwrap());
            assert_eq!(own.regions().unwrap(), machines.regions().unwrap());
            assert_eq!(own.interrupts().unwrap(), machines.interrupts().unwrap());
        }
        assert!(guest.node("/pmu").is_some());
    }
}
