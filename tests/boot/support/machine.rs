//! A machine to boot, as QEMU's command line.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::judge::{Outcome, SUCCESS};
use super::products;
use super::run::{self, Line, Progress, Step};
use super::system;

/// The interrupt controller of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gic {
    V2,
    /// With interrupts that go to the guests directly, unless a description says otherwise.
    V3,
    /// With interrupts that all go by way of EL2, whatever a description says.
    V3Trapped,
}

impl Gic {
    /// QEMU's `gic-version`.
    pub fn version(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 | Self::V3Trapped => 3,
        }
    }
}

/// Where the console's bytes go: the first UART's, or both of them.
type Serial = &'static [(&'static str, &'static str)];
const FIRST_UART: Serial = &[("-serial", "stdio")];
const TERMINAL: Serial = &[("-serial", "mon:stdio")];
const BOTH_UARTS: Serial = &[
    ("-chardev", "stdio,id=terminal,mux=on,signal=off"),
    ("-serial", "chardev:terminal"),
    ("-serial", "chardev:terminal"),
];

/// A `virt` machine with EL2, four CPUs and 1 GiB, and Bulkhead as its kernel.
pub struct Machine {
    gic: Gic,
    machine: String,
    cpu: String,
    cpus: usize,
    memory: String,
    serial: Serial,
    line: Line,
    kernel: Option<PathBuf>,
    initrd: Option<PathBuf>,
    command_line: String,
    more: Vec<String>,
    steps: Vec<Step>,
    deadline: Duration,
    is_watched: bool,
}

impl Machine {
    /// A machine that boots Bulkhead with the description that is embedded in it.
    #[track_caller]
    pub fn new(gic: Gic) -> Self {
        Self {
            gic,
            machine: format!("virt,virtualization=on,gic-version={}", gic.version()),
            cpu: "cortex-a53".into(),
            cpus: 4,
            memory: "1G".into(),
            serial: FIRST_UART,
            line: Line::Pipes,
            kernel: Some(products::file("target/bulkhead.img")),
            initrd: None,
            command_line: "semihosting".into(),
            more: ["-semihosting-config", "enable=on,target=native"].map(String::from).into(),
            steps: Vec::new(),
            deadline: Duration::from_secs(60),
            is_watched: false,
        }
    }

    /// The same machine with no hypervisor in it, for a kernel of its own.
    pub fn bare(gic: Gic, kernel: PathBuf) -> Self {
        let gic = if gic == Gic::V3Trapped { Gic::V3 } else { gic };
        Self {
            machine: format!("virt,gic-version={}", gic.version()),
            kernel: Some(kernel),
            command_line: String::new(),
            more: Vec::new(),
            ..Self::new(gic)
        }
    }

    /// A Raspberry Pi 4 that is handed a kernel, its tree and a description, as its firmware does.
    /// Its console is that of either of its UARTs.
    pub fn raspberry_pi(kernel: PathBuf, tree: &Path, description: &Path) -> Self {
        let machine = Self {
            machine: "raspi4b".into(),
            cpu: "cortex-a72".into(),
            memory: "2G".into(),
            serial: BOTH_UARTS,
            kernel: Some(kernel),
            ..Self::new(Gic::V2)
        };
        machine.option("-dtb", tree.display()).initrd(description)
    }

    /// What its second UART sends goes to a file, and its console's bytes are those of the first.
    pub fn second_uart_to(mut self, path: &Path) -> Self {
        self.serial = FIRST_UART;
        self.option("-serial", format!("file:{}", path.display()))
    }

    /// Its console is a terminal, with QEMU's own escape as with `make run`.
    pub fn in_terminal(mut self) -> Self {
        (self.serial, self.line) = (TERMINAL, Line::Terminal);
        self
    }

    /// The argument of `-M`, in place of one with EL2.
    pub fn machine(mut self, machine: &str) -> Self {
        self.machine = machine.into();
        self
    }

    /// Another image in place of Bulkhead's.
    pub fn kernel(mut self, kernel: &Path) -> Self {
        self.kernel = Some(kernel.into());
        self
    }

    /// No image that QEMU's own loader starts, so no command line either.
    pub fn without_kernel(mut self) -> Self {
        self.kernel = None;
        self.without_semihosting()
    }

    /// The core model.
    pub fn cpu(mut self, cpu: &str) -> Self {
        self.cpu = cpu.into();
        self
    }

    /// How many CPUs there are.
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = cpus;
        self
    }

    /// How much memory there is, as QEMU writes it.
    pub fn memory(mut self, memory: &str) -> Self {
        self.memory = memory.into();
        self
    }

    /// The initrd: for Bulkhead, the system description.
    pub fn initrd(mut self, initrd: &Path) -> Self {
        self.initrd = Some(match self.gic {
            Gic::V3Trapped => system::trapped(initrd),
            Gic::V2 | Gic::V3 => initrd.into(),
        });
        self
    }

    /// The machine's own command line.
    pub fn command_line(mut self, command_line: &str) -> Self {
        self.command_line = command_line.into();
        self
    }

    /// One more option, with its argument.
    pub fn option(mut self, option: &str, argument: impl Display) -> Self {
        self.more.extend([option.into(), argument.to_string()]);
        self
    }

    /// A machine on which one tick of the counter is one instruction, EL2's included: the same on every
    /// run, if it has one CPU.
    pub fn counting_instructions(self) -> Self {
        let machine = self.cpu("cortex-a57,cntfrq=1000000000");
        let machine = machine.option("-icount", "shift=0,sleep=off").option("-seed", "1");
        machine.option("-rtc", "base=2024-01-01T00:00:00,clock=vm")
    }

    /// The machine's own tree, in place of the one that QEMU makes up.
    pub fn tree(self, tree: &Path) -> Self {
        self.option("-dtb", tree.display())
    }

    /// The machine as a user has it, where no semihosting tells how it went.
    pub fn without_semihosting(mut self) -> Self {
        self.command_line.clear();
        self.more.clear();
        self
    }

    /// Types `keys` once `text` has been printed, and what was typed before it.
    pub fn type_after(self, text: &str, keys: &str) -> Self {
        self.type_after_any(&[text], keys)
    }

    /// The same once any of these texts has been printed.
    pub fn type_after_any(mut self, texts: &[&str], keys: &str) -> Self {
        let after = texts.iter().map(|text| String::from(*text)).collect();
        self.steps.push(Step::Type { after, keys: keys.into() });
        self
    }

    /// Pulls the plug this long after `text` has been printed, and what was typed before it.
    pub fn unplug_after(mut self, text: &str, time: Duration) -> Self {
        self.steps.push(Step::Unplug { after: vec![text.into()], time });
        self
    }

    /// How many seconds the machine has to come to its end by itself, 60 if nothing is said.
    pub fn deadline(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Shows all the time how far it is, and keeps its console in `target/tmp/TEST.log`.
    pub fn watched(mut self) -> Self {
        self.is_watched = true;
        self
    }

    /// Boots the machine and waits for its end.
    #[track_caller]
    pub fn boot(self) -> Outcome {
        let is_trapped = self.gic == Gic::V3Trapped;
        assert!(!is_trapped || self.initrd.is_some(), "no description can say so");
        let arguments = self.arguments();
        let mut qemu = Command::new(PROGRAM);
        qemu.args(&arguments);
        let progress = self.is_watched.then(|| {
            let log = products::scratch("log");
            println!("its console is in {}; every ten seconds its last line:", log.display());
            Progress::new(fs::File::create(log).expect("the tests' directory can be written"))
        });
        let (console, end) = run::run(qemu, self.line, self.steps, self.deadline, progress);
        Outcome::new(command(&arguments), console, end)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |option: &str, value: &dyn Display| {
            arguments.extend([option.into(), value.to_string()]);
        };
        add("-M", &self.machine);
        add("-cpu", &self.cpu);
        add("-smp", &self.cpus);
        add("-m", &self.memory);
        let common = [("-display", "none"), ("-monitor", "none"), ("-nic", "none")];
        for (option, value) in common.iter().chain(self.serial) {
            add(option, value);
        }
        if let Some(kernel) = &self.kernel {
            add("-kernel", &kernel.display());
        }
        if let Some(initrd) = &self.initrd {
            add("-initrd", &initrd.display());
        }
        if !self.command_line.is_empty() {
            add("-append", &self.command_line);
        }
        arguments.push("-no-reboot".into());
        arguments.extend(self.more.iter().cloned());
        arguments
    }
}

/// The text of the tree that QEMU makes up for a machine.
#[track_caller]
pub fn machine_tree(gic: Gic) -> String {
    let tree = products::scratch("machine.dtb");
    let dump = format!(",dumpdtb={}", tree.display());
    let mut machine = Machine::new(gic);
    machine.machine += &dump;
    machine.boot().ends_with(SUCCESS);
    system::decompile(&tree).0
}

/// The tree of a machine that dtc makes of this text.
#[track_caller]
pub fn compile_machine(text: &str) -> PathBuf {
    let tree = products::scratch("machine.dtb");
    fs::rename(system::compile(text), &tree).expect("the tests' directory can be written");
    tree
}

const PROGRAM: &str = "qemu-system-aarch64";

/// The command for a person to type.
fn command(arguments: &[String]) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_=,./:+".contains(it);
    let mut command = String::from(PROGRAM);
    for argument in arguments {
        command.push(' ');
        if argument.chars().all(plain) {
            command += argument;
        } else {
            command += &format!("'{}'", argument.replace('\'', r"'\''"));
        }
    }
    command
}
