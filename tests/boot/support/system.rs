//! System descriptions, as text and through dtc.

use std::fmt::{self, Display};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::products;

/// A partition of a description.
#[derive(Clone)]
pub struct Partition {
    name: String,
    cpus: usize,
    memory: u64,
    kernel: String,
    properties: String,
}

impl Partition {
    /// One CPU and 16 MiB for one of the guests in `guests/`.
    pub fn new(name: &str, guest: &str) -> Self {
        Self::with_kernel(name, &format!("guests/{guest}.img"))
    }

    /// One CPU and 16 MiB for a kernel in `target/`.
    pub fn with_kernel(name: &str, kernel: &str) -> Self {
        Self {
            name: name.into(),
            cpus: 1,
            memory: 16 << 20,
            kernel: kernel.into(),
            properties: String::new(),
        }
    }

    /// How many CPUs it has.
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = cpus;
        self
    }

    /// How many bytes of memory it has.
    pub fn memory(mut self, memory: u64) -> Self {
        self.memory = memory;
        self
    }

    /// Its kernel's command line.
    pub fn bootargs(self, bootargs: &str) -> Self {
        self.property(&format!("bootargs = \"{bootargs}\";"))
    }

    /// One more property or node.
    pub fn property(mut self, property: &str) -> Self {
        self.properties += &format!("            {property}\n");
        self
    }
}

impl Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cpus, memory, kernel, properties } = self;
        writeln!(f, "        {name} {{")?;
        writeln!(f, "            cpus = <{cpus}>;")?;
        writeln!(f, "            memory = <{:#x} {:#x}>;", memory >> 32, memory & 0xffff_ffff)?;
        write!(f, "{properties}")?;
        writeln!(f, "            kernel {{ data = /incbin/(\"{kernel}\"); }};")?;
        writeln!(f, "        }};")
    }
}

/// The text of a description with these partitions.
pub fn system(partitions: &[Partition]) -> String {
    let partitions: String = partitions.iter().map(Partition::to_string).collect();
    format!(
        "/dts-v1/;\n/ {{\n    compatible = \"bulkhead,system\";\n    partitions {{\n{partitions}    \
         }};\n}};\n"
    )
}

/// The tree that dtc makes of this text.
#[track_caller]
pub fn compile(text: &str) -> PathBuf {
    let source = products::scratch("dts");
    fs::write(&source, text).expect("the tests' directory can be written");
    compile_file(&source)
}

/// The tree that dtc makes of this file.
#[track_caller]
pub fn compile_file(source: &Path) -> PathBuf {
    let tree = products::scratch("dtb");
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let mut dtc = Command::new("dtc");
    dtc.args(["-q", "-I", "dts", "-O", "dtb", "-i"]).arg(images).arg("-o").arg(&tree).arg(source);
    run(&mut dtc);
    tree
}

/// A copy of a description, if it is one, in which every partition has its interrupts trapped.
#[track_caller]
pub fn trapped(description: &Path) -> PathBuf {
    let copy = products::scratch("trapped.dtb");
    fs::copy(description, &copy).expect("the description is there");
    let names = run(Command::new("fdtget").arg("-l").arg(&copy).arg("/partitions"));
    for name in String::from_utf8_lossy(&names.stdout).lines() {
        let node = format!("/partitions/{name}");
        let put = ["-t", "s"];
        run(Command::new("fdtput").args(put).arg(&copy).args([&node, "interrupts", "trapped"]));
    }
    copy
}

/// A tree as dtc writes it down, and what dtc has to say against it: nothing, if all is well.
#[track_caller]
pub fn decompile(tree: &Path) -> (String, String) {
    let output = run(Command::new("dtc").args(["-I", "dtb", "-O", "dts"]).arg(tree));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn run(dtc: &mut Command) -> Output {
    let output = match dtc.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("dtc is not installed: run `make setup`")
        }
        Err(error) => panic!("dtc cannot be started: {error}"),
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dtc fails, are all images made?\n{dtc:?}\n{complaints}");
    output
}
