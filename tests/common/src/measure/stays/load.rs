//! The load under which stays are measured.

use std::io::PipeReader;
use std::sync::atomic::{AtomicBool, Ordering};

use super::code::Code;
use super::{Divider, Run, trace};
use crate::measure::column::Column;
use crate::{Machine, Partition, compile, system};

/// The keys that open the monitor, Ctrl-] twice, and that show the output of all partitions.
const OPEN: &str = "\x1d\x1d";
const SHOW_ALL: &str = "\x1d0";
const PROMPT: &str = "bulkhead> ";

/// The commands, which are typed again and again, and a text in the answer of each.
const COMMANDS: [(&str, &str); 9] = [
    ("restart more\r", "\n"),
    ("help\r", "switch the machine off"),
    ("list\r", "uptime-s"),
    ("stats\r", "exits"),
    ("show lines\r", "last-fault"),
    ("stats several\r", "\nexits "),
    ("log\rhelp\rlist\r", "uptime-s"),
    ("restart lines\r", "\n"),
    ("lst\r", "all are shown"),
];
/// The number of commands that are prepared: more than a run has time for.
const TYPED: usize = 10_000;
/// Where others print much: the number of lines before each command.
const LINES: usize = 8;

/// The CPU of the partition that only takes timer interrupts.
pub const CLOCK: usize = 0;

/// What the partitions do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// Four print as fast as they can, two of them without line ends.
    Flood,
    /// Two attack, and two print as fast as they can.
    Attack,
    /// They print little, so that the monitor does most of the console's work, and two reset
    /// themselves again and again.
    Orders,
    /// Two flood each other over a network, and two over another one, of which one attacks.
    Network,
}

impl Load {
    /// All loads.
    pub const ALL: [Self; 4] = [Self::Flood, Self::Attack, Self::Orders, Self::Network];

    /// Returns the partitions, the last with four CPUs.
    fn partitions(self) -> [Partition; 4] {
        const LINES: &str = "lines=1000000000";
        const BYTES: &str = "rounds=1000000 groups=output";
        const ALL: &str = "seed=3 again groups=walks,exceptions,calls,frames,sgis,storms";
        const STORM: &str = "storm=1000000000 ignore link=pair";
        const LINKS: &str = "only=links rounds=1000000000 seed=4";
        let hello = |name, bootargs| Partition::new(name, "hello").bootargs(bootargs);
        let attacker = |name, bootargs| {
            let attacker = Partition::new(name, "attacker").bootargs(bootargs);
            let attacker = attacker.property("max-restarts = <1000000>;");
            attacker.property("watchdog-ms = <3600000>;")
        };
        match self {
            Self::Flood => [
                hello("lines", LINES),
                attacker("bytes", BYTES),
                hello("more", LINES),
                attacker("several", BYTES),
            ],
            Self::Attack => [
                hello("lines", LINES),
                attacker("alone", "seed=2 again groups=frames,sgis,storms"),
                hello("more", LINES),
                attacker("several", ALL),
            ],
            Self::Orders => [
                hello("lines", "ticks=1000000"),
                attacker("alone", "seed=1 again groups=frames"),
                hello("more", "ticks=1000000"),
                attacker("several", "again groups=none"),
            ]
            .map(|partition| partition.memory(4 << 20)),
            Self::Network => {
                let flooder =
                    |name| Partition::new(name, "bench").memory(4 << 20).bootargs("links-flood");
                let storm = Partition::new("more", "messenger").bootargs(STORM);
                [flooder("lines"), flooder("bytes"), storm, attacker("several", LINKS)]
            }
        }
    }

    /// Returns the CPUs of the last partition. Under a flood, one is left over, which does the
    /// console's work; under orders, each partition's CPUs do their own.
    const fn last_cpus(self) -> &'static [u64] {
        match self {
            Self::Flood | Self::Attack | Self::Network => &[4, 5, 6],
            Self::Orders => &[4, 5, 6, 7],
        }
    }

    /// Returns texts that show that the load does what it is there for.
    const fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Flood => &["hello: line 2 of"],
            Self::Attack => &["hello: line 2 of"],
            Self::Orders => &["stopped at the monitor's order", "reset itself"],
            Self::Network => &["several: link pair needs a reset"],
        }
    }

    /// Returns properties of the description's root.
    const fn properties(self) -> &'static str {
        match self {
            Self::Flood | Self::Attack | Self::Orders => "    monitor;\n",
            Self::Network => {
                "    links {
        lan { type = \"network\"; partitions = \"lines\", \"bytes\"; };
        pair { type = \"network\"; partitions = \"more\", \"several\"; };
    };\n"
            }
        }
    }
}

/// Runs all loads, each until EL2 has executed this number of instructions, the network last.
pub fn run_all(column: Column, instructions: u64) -> Run {
    let mut all = Run { stays: Vec::new(), longest: Vec::new(), instructions: 0 };
    for load in Load::ALL {
        let run = run(column, load, instructions);
        all.instructions += run.instructions;
        all.longest = run.longest;
        if all.stays.is_empty() {
            all.stays = run.stays;
        } else {
            super::add(&mut all.stays, run.stays);
        }
    }
    all
}

/// Runs a load while the monitor gets all of its commands, until EL2 has executed this number of
/// instructions.
///
/// QEMU runs the CPUs in turns, and one that waits for another gives up its turn, so that stays do
/// not depend on how many processors the host has.
pub fn run(column: Column, load: Load, instructions: u64) -> Run {
    let clock = Partition::new("clock", "metronome").bootargs("beats=1000000000 period-us=5000");
    let [first, second, third, several] = load.partitions();
    let partitions = [
        first.cpu_ids(&[1]),
        second.cpu_ids(&[2]),
        third.cpu_ids(&[3]),
        several.cpu_ids(load.last_cpus()),
        clock.cpu_ids(&[CLOCK as u64]),
    ];
    let description = compile(&system(load.properties(), &partitions));
    let mut machine = Machine::new(column.gic()).cpus(8).initrd(&description);
    let commands = COMMANDS.into_iter().cycle().take(TYPED);
    if load == Load::Network {
        return measure(machine, load.signs(), instructions);
    }
    if load == Load::Orders {
        machine = machine.type_after("hello: ", OPEN);
        for (keys, answer) in commands {
            machine = machine.type_after(PROMPT, keys).type_after(answer, "");
        }
    } else {
        // All at once: while the monitor waits for a command, others can print little.
        for (keys, _) in commands {
            for _ in 1..LINES {
                machine = machine.type_after("hello: line", "");
            }
            machine = machine.type_after("hello: line", &format!("{OPEN}{keys}{SHOW_ALL}"));
        }
    }
    measure(machine, load.signs(), instructions)
}

/// Runs a machine until EL2 has executed this number of instructions. `signs` are texts that must
/// be in its output.
pub fn measure(machine: Machine, signs: &'static [&'static str], instructions: u64) -> Run {
    let code = Code::of_image();
    let machine = machine
        .option("-accel", "tcg,thread=single")
        .deadline(240)
        .option("-d", "exec,nochain")
        .option("-dfilter", code.filter());
    let read = |log: PipeReader, has_enough: &AtomicBool| {
        let mut divider = Divider::new(&code);
        let take = |event| {
            divider.take(event);
            if divider.instructions() >= instructions {
                has_enough.store(true, Ordering::Relaxed);
            }
        };
        trace::read(log, take).expect("QEMU's log can be read");
        divider.finish()
    };
    let (outcome, run) = machine.boot_with_log(signs, read);
    outcome.expect_killed();
    run
}
