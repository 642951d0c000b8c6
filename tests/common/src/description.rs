//! System descriptions: their source, and their blobs.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::{root, scratch};
use crate::trees::run;

/// A partition of a description.
#[derive(Clone)]
pub struct Partition {
    name: String,
    /// The property that gives the partition its CPUs.
    cpus: String,
    memory: u64,
    kernel: String,
    ramdisk: Option<String>,
    properties: String,
}

impl Partition {
    /// Returns a partition of one CPU and 16 MiB for one of the guests in `guests/`.
    pub fn new(name: &str, guest: &str) -> Self {
        Self::with_kernel(name, &format!("guests/{guest}.img"))
    }

    /// Returns a partition of one CPU and 16 MiB for a kernel in `target/`.
    pub fn with_kernel(name: &str, kernel: &str) -> Self {
        Self {
            name: name.into(),
            cpus: "cpus = <1>;".into(),
            memory: 16 << 20,
            kernel: kernel.into(),
            ramdisk: None,
            properties: String::new(),
        }
    }

    /// Returns a partition of one CPU and 512 MiB for Debian's kernel with the init of
    /// `guests/linux/`.
    pub fn linux(name: &str) -> Self {
        let linux = Self::with_kernel(name, "linux/Image").memory(512 << 20);
        linux.ramdisk("linux/initramfs.cpio.gz")
    }

    /// Sets the number of CPUs.
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = format!("cpus = <{cpus}>;");
        self
    }

    /// Sets the CPUs.
    pub fn cpu_ids(mut self, ids: &[u64]) -> Self {
        let ids: Vec<_> = ids.iter().map(u64::to_string).collect();
        self.cpus = format!("cpu-ids = <{}>;", ids.join(" "));
        self
    }

    /// Sets the size of the memory, in bytes.
    pub fn memory(mut self, memory: u64) -> Self {
        self.memory = memory;
        self
    }

    /// Sets the kernel: a file in `target/`, or an absolute path.
    pub fn kernel(mut self, kernel: &str) -> Self {
        self.kernel = kernel.into();
        self
    }

    /// Sets the ramdisk: a file in `target/`, or an absolute path.
    pub fn ramdisk(mut self, ramdisk: &str) -> Self {
        self.ramdisk = Some(ramdisk.into());
        self
    }

    /// Sets the kernel's command line.
    pub fn bootargs(self, bootargs: &str) -> Self {
        self.property(&format!("bootargs = \"{bootargs}\";"))
    }

    /// Adds properties, given as source.
    pub fn property(mut self, property: &str) -> Self {
        self.properties += &format!("            {property}\n");
        self
    }
}

impl Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cpus, memory, kernel, ramdisk, properties } = self;
        writeln!(f, "        {name} {{")?;
        writeln!(f, "            {cpus}")?;
        writeln!(f, "            memory = <{:#x} {:#x}>;", memory >> 32, memory & 0xffff_ffff)?;
        write!(f, "{properties}")?;
        if let Some(ramdisk) = ramdisk {
            writeln!(f, "            ramdisk {{ data = /incbin/(\"{ramdisk}\"); }};")?;
        }
        writeln!(f, "            kernel {{ data = /incbin/(\"{kernel}\"); }};")?;
        writeln!(f, "        }};")
    }
}

/// Returns the source of a description with these partitions.
pub fn source(partitions: &[Partition]) -> String {
    system("", partitions)
}

/// Returns the source of a description with these partitions whose console offers the monitor.
pub fn source_with_monitor(partitions: &[Partition]) -> String {
    system("    monitor;\n", partitions)
}

/// Returns the source of a description with these properties of the root.
pub fn system(properties: &str, partitions: &[Partition]) -> String {
    let partitions: String = partitions.iter().map(Partition::to_string).collect();
    format!(
        "/dts-v1/;\n/ {{\n    compatible = \"bulkhead,system\";\n{properties}    partitions \
         {{\n{partitions}    }};\n}};\n"
    )
}

/// Compiles a source and returns the path of the blob.
#[track_caller]
pub fn compile(text: &str) -> PathBuf {
    let source = scratch("dts");
    fs::write(&source, text).expect("the tests' directory can be written");
    compile_file(&source)
}

/// Compiles a source file and returns the path of the blob.
#[track_caller]
pub fn compile_file(source: &Path) -> PathBuf {
    let tree = scratch("dtb");
    let images = root().join("target");
    let mut dtc = Command::new("dtc");
    dtc.args(["-q", "-I", "dts", "-O", "dtb", "-i"]).arg(images).arg("-o").arg(&tree).arg(source);
    run(&mut dtc);
    tree
}

/// Copies the blob of a description, with the interrupts of every partition trapped.
#[track_caller]
pub fn trapped(description: &Path) -> PathBuf {
    with_interrupts(description, "trapped", |_| true)
}

/// Copies the blob of a description, with the interrupts of every partition delivered directly
/// unless the description says how.
#[track_caller]
pub fn direct(description: &Path) -> PathBuf {
    let is_property = |line: &str| line == "interrupts";
    with_interrupts(description, "direct", |properties| !properties.lines().any(is_property))
}

/// Copies the blob of a description and sets `interrupts` of the partitions for whose properties,
/// one in each line, `applies` is true.
#[track_caller]
fn with_interrupts(description: &Path, value: &str, applies: impl Fn(&str) -> bool) -> PathBuf {
    let copy = scratch(&format!("{value}.dtb"));
    fs::copy(description, &copy).expect("the description is there");
    let list = |what: &str, node: &str| {
        let list = run(Command::new("fdtget").arg(what).arg(&copy).arg(node));
        String::from_utf8_lossy(&list.stdout).into_owned()
    };
    for name in list("-l", "/partitions").lines() {
        let node = format!("/partitions/{name}");
        if applies(&list("-p", &node)) {
            let put = ["-t", "s"];
            run(Command::new("fdtput").args(put).arg(&copy).args([&node, "interrupts", value]));
        }
    }
    copy
}
