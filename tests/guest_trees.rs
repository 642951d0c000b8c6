//! Guests' trees made from those of QEMU's machines, judged by dtc, and the descriptions in dts/,
//! judged by the Plan.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, process};

use bulkhead::arch::addr::Pa;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::description::Description;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::guest_tree;
use bulkhead::boot::machine::{ConsoleUart, Machine};
use bulkhead::boot::plan::Plan;

/// A directory for this test alone.
fn directory(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("bulkhead-{}-{name}", process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

/// The tree of QEMU's `virt` with this GIC.
fn virt(directory: &Path, gic: u32) -> Vec<u8> {
    let file = directory.join("virt.dtb");
    let machine = format!("virt,virtualization=on,gic-version={gic},dumpdtb={}", file.display());
    let arguments = "-cpu cortex-a53 -smp 4 -m 2G -nographic -nic none";
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", &machine]).args(arguments.split(' '));
    let output = qemu.output().expect("qemu-system-aarch64 can be started");
    assert!(output.status.success(), "{output:?}");
    fs::read(file).unwrap()
}

/// What dtc makes of `input`; it must not have a word to say.
fn dtc(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut dtc = Command::new("dtc");
    let dtc = dtc.args(arguments).stdin(Stdio::piped());
    let dtc = dtc.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut dtc = dtc.spawn().expect("dtc can be started");
    dtc.stdin.take().unwrap().write_all(input).unwrap();
    let output = dtc.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && words.is_empty(), "{words}");
    output.stdout
}

/// A description in dts/, with images that stand for the real ones.
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
    let source = format!("{}/dts/{name}.dts", env!("CARGO_MANIFEST_DIR"));
    let include = directory.to_str().unwrap();
    dtc(&["-O", "dtb", "-i", include, &source], &[])
}

fn write(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// The Plan of `description` on the machine of `tree`.
fn plan(tree: &Tree<'_>, description: &[u8]) -> (Machine, Plan) {
    let mut machine = Machine::read(tree, ConsoleUart::read(tree)).unwrap();
    machine.read_devices(tree);
    machine.reserve(
        bulkhead::arch::addr::Region::new(Pa::new(0x4020_0000), 0x20_0000).unwrap(),
        "Bulkhead",
    );
    let description = Tree::new(description).unwrap();
    let base = Pa::new(0x4800_0000);
    let description = Description::read(&description, description.root(), base, &|_| None);
    let description = description.unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::new(&machine, Mpidr::new(0), &description);
    (machine, plan.unwrap_or_else(|error| panic!("{error}")))
}

const DESCRIPTIONS: [&str; 7] = ["default", "hello", "smp", "four", "linux", "linux-alone", "rpi4"];

#[test]
fn descriptions_make_plans_and_dtc_likes_the_guests_trees() {
    for gic in [2, 3] {
        let directory = directory(&format!("guest-trees-{gic}"));
        let virt = virt(&directory, gic);
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
fn a_guest_gets_the_devices_of_virt() {
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
        let directory = directory(&format!("devices-{gic}"));
        let virt = virt(&directory, gic);
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
        fs::remove_dir_all(directory).unwrap();
    }
}
