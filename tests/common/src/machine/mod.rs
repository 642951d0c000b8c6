//! A machine to boot: builds the command line of QEMU.

mod boards;

use std::fmt::Display;
use std::fs;
use std::io::{self, PipeReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use crate::description;
use crate::files::{board_tree, file, scratch};
use crate::outcome::Outcome;
use crate::session::{self, Errors, Line, Progress, Step};

/// The interrupt controller of a machine, and how interrupts reach the guests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gic {
    /// GICv2.
    V2,
    /// GICv3, with interrupts as the description has them.
    V3,
    /// GICv3, with the interrupts of each partition delivered directly unless the description has
    /// them trapped.
    V3Direct,
    /// GICv3, with every interrupt trapped to EL2, whatever the description has.
    V3Trapped,
}

impl Gic {
    /// Returns the value of QEMU's `gic-version`.
    pub fn version(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 | Self::V3Direct | Self::V3Trapped => 3,
        }
    }
}

/// QEMU's options for the UARTs: the console is the first UART's, or both.
type Serial = &'static [(&'static str, &'static str)];
const FIRST_UART: Serial = &[("-serial", "stdio")];
const SECOND_UART: Serial = &[("-serial", "null"), ("-serial", "stdio")];
const TERMINAL: Serial = &[("-serial", "mon:stdio")];
const BOTH_UARTS: Serial = &[
    ("-chardev", "stdio,id=terminal,mux=on,signal=off"),
    ("-serial", "chardev:terminal"),
    ("-serial", "chardev:terminal"),
];

/// A machine to boot: by default `virt` with EL2, four CPUs, 1 GiB and Bulkhead as its kernel.
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
    tree: Option<PathBuf>,
    command_line: String,
    more: Vec<String>,
    steps: Vec<Step>,
    deadline: Duration,
    shows_progress: bool,
    is_on_one_core: bool,
}

impl Machine {
    /// Returns a machine that boots Bulkhead with its embedded description.
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
            kernel: Some(file("target/bulkhead.img")),
            initrd: None,
            tree: None,
            command_line: "semihosting".into(),
            more: ["-semihosting-config", "enable=on,target=native"].map(String::from).into(),
            steps: Vec::new(),
            deadline: Duration::from_secs(60),
            shows_progress: false,
            is_on_one_core: false,
        }
    }

    /// Returns the same machine without EL2, which boots this kernel.
    pub fn bare(gic: Gic, kernel: PathBuf) -> Self {
        // Without Bulkhead nothing chooses the delivery of interrupts, and the initrd is Linux's.
        let gic = if gic == Gic::V2 { Gic::V2 } else { Gic::V3 };
        Self {
            machine: format!("virt,gic-version={}", gic.version()),
            kernel: Some(kernel),
            command_line: String::new(),
            more: Vec::new(),
            ..Self::new(gic)
        }
    }

    /// Returns a Raspberry Pi 4 that boots Bulkhead with this description. Its console is both
    /// UARTs.
    #[track_caller]
    pub fn raspberry_pi(description: &Path) -> Self {
        let machine = Self {
            machine: "raspi4b".into(),
            cpu: "cortex-a72".into(),
            memory: "2G".into(),
            serial: BOTH_UARTS,
            ..Self::new(Gic::V2)
        };
        machine.tree(&board_tree()).initrd(description)
    }

    /// Writes the output of the second UART to a file; the console is the first UART's.
    pub fn second_uart_to(mut self, path: &Path) -> Self {
        self.serial = FIRST_UART;
        self.option("-serial", format!("file:{}", path.display()))
    }

    /// Connects the console to a terminal, with QEMU's own escape as with `make run`.
    pub fn in_terminal(mut self) -> Self {
        (self.serial, self.line) = (TERMINAL, Line::Terminal);
        self
    }

    /// Sets the argument of `-M`.
    pub fn machine(mut self, machine: &str) -> Self {
        self.machine = machine.into();
        self
    }

    /// Sets the kernel image.
    pub fn kernel(mut self, kernel: &Path) -> Self {
        self.kernel = Some(kernel.into());
        self
    }

    /// Removes the kernel image, and with it the command line.
    pub fn without_kernel(mut self) -> Self {
        self.kernel = None;
        self.without_semihosting()
    }

    /// Sets the model of the CPUs.
    pub fn cpu(mut self, cpu: &str) -> Self {
        self.cpu = cpu.into();
        self
    }

    /// Sets the number of CPUs.
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = cpus;
        self
    }

    /// Sets the size of the memory, in the syntax of `-m`.
    pub fn memory(mut self, memory: &str) -> Self {
        self.memory = memory.into();
        self
    }

    /// Sets the initrd, which for Bulkhead is the system description.
    pub fn initrd(mut self, initrd: &Path) -> Self {
        self.initrd = Some(match self.gic {
            Gic::V3Direct => description::direct(initrd),
            Gic::V3Trapped => description::trapped(initrd),
            Gic::V2 | Gic::V3 => initrd.into(),
        });
        self
    }

    /// Sets the kernel's command line.
    pub fn command_line(mut self, command_line: &str) -> Self {
        self.command_line = command_line.into();
        self
    }

    /// Adds an option with its argument.
    pub fn option(mut self, option: &str, argument: impl Display) -> Self {
        self.more.extend([option.into(), argument.to_string()]);
        self
    }

    /// Makes one tick of the counter one instruction, at every exception level. With one CPU, every
    /// run then counts the same.
    pub fn counting_instructions(self) -> Self {
        let machine = self.cpu("cortex-a57,cntfrq=1000000000");
        let machine = machine.option("-icount", "shift=0,sleep=off").seed(1);
        machine.option("-rtc", "base=2024-01-01T00:00:00,clock=vm")
    }

    /// Sets the seed of QEMU's random numbers. QEMU accepts the option once.
    pub fn seed(mut self, seed: u32) -> Self {
        if let Some(index) = self.more.iter().position(|option| *option == "-seed") {
            self.more.drain(index..index + 2);
        }
        self.option("-seed", seed)
    }

    /// Sets the machine's tree, in place of the one that QEMU makes.
    pub fn tree(mut self, tree: &Path) -> Self {
        self.tree = Some(tree.into());
        self
    }

    /// Removes semihosting, so that QEMU's exit status does not depend on Bulkhead.
    pub fn without_semihosting(mut self) -> Self {
        self.command_line.clear();
        self.more.clear();
        self
    }

    /// Types `keys` once `text` has been printed and the steps before are done.
    pub fn type_after(self, text: &str, keys: &str) -> Self {
        self.type_after_any(&[text], keys)
    }

    /// Types `keys` once any of these texts has been printed and the steps before are done.
    pub fn type_after_any(mut self, texts: &[&str], keys: &str) -> Self {
        let after = texts.iter().map(|text| String::from(*text)).collect();
        self.steps.push(Step::Type { after, keys: keys.into() });
        self
    }

    /// Kills the machine this long after `text` has been printed and the steps before are done.
    pub fn kill_after(mut self, text: &str, time: Duration) -> Self {
        self.steps.push(Step::Kill { after: vec![text.into()], time });
        self
    }

    /// Sets the number of seconds in which the machine must end by itself; the default is 60.
    pub fn deadline(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Shows progress while the machine runs, and keeps its console in `target/tmp/TEST.log`.
    pub fn with_progress(mut self) -> Self {
        self.shows_progress = true;
        self
    }

    /// Runs all of the machine's CPUs on one of the host's, so that each may stand still between
    /// any two instructions while the others run.
    pub fn on_one_core(mut self) -> Self {
        self.is_on_one_core = true;
        self
    }

    /// Boots the machine and waits for its end.
    #[track_caller]
    pub fn boot(self) -> Outcome {
        self.boot_with_errors_to(None)
    }

    /// Boots the machine, has `read` read QEMU's log meanwhile, and waits for the end of both. The
    /// log is what QEMU writes to its standard error, which no file needs to hold. QEMU is killed
    /// when `read` has set the flag that it gets and these texts are on the console; until then
    /// `read` must read on.
    #[track_caller]
    pub fn boot_with_log<T: Send>(
        self,
        texts: &[&str],
        read: impl FnOnce(PipeReader, &AtomicBool) -> T + Send,
    ) -> (Outcome, T) {
        let (log, pipe) = io::pipe().expect("a pipe can be made");
        let has_enough = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = scope.spawn(|| read(log, &has_enough));
            let errors = Errors { pipe, has_enough: &has_enough, texts };
            let outcome = self.boot_with_errors_to(Some(errors));
            (outcome, reader.join().expect("the log can be read"))
        })
    }

    #[track_caller]
    fn boot_with_errors_to(self, errors: Option<Errors<'_>>) -> Outcome {
        let is_as_described = matches!(self.gic, Gic::V2 | Gic::V3);
        assert!(
            is_as_described || self.initrd.is_some(),
            "the delivery of interrupts is chosen by a description, and there is none"
        );
        let arguments = self.arguments();
        let one_core: &[&str] = if self.is_on_one_core { &["taskset", "-c", "0"] } else { &[] };
        let mut words = one_core.iter().copied().chain([PROGRAM]);
        let mut qemu = Command::new(words.next().unwrap_or(PROGRAM));
        qemu.args(words).args(&arguments);
        let progress = self.shows_progress.then(|| {
            let log = scratch("log");
            println!("the console is in {}; its last line, every ten seconds:", log.display());
            Progress::new(fs::File::create(log).expect("the tests' directory can be written"))
        });
        let (console, end) =
            session::run(qemu, self.line, errors, self.steps, self.deadline, progress);
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
        if let Some(tree) = &self.tree {
            add("-dtb", &tree.display());
        }
        if !self.command_line.is_empty() {
            add("-append", &self.command_line);
        }
        arguments.push("-no-reboot".into());
        arguments.extend(self.more.iter().cloned());
        arguments
    }
}

const PROGRAM: &str = "qemu-system-aarch64";

/// Returns the command as a user would type it.
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
