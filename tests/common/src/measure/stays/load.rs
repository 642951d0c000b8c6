//! The load under which stays are measured.

use std::io::PipeReader;

use super::code::Code;
use super::{Divider, Stays, trace};
use crate::Partition;
use crate::measure::column::Column;
use crate::measure::machine::with_monitor;

/// The keys that open the monitor, Ctrl-] twice, and that show the output of all partitions.
const OPEN: &str = "\x1d\x1d";
const SHOW_ALL: &str = "\x1d0";
const PROMPT: &str = "bulkhead> ";

/// The commands, which are typed again and again, and a text in the answer of each.
const COMMANDS: [(&str, &str); 9] = [
    ("help\r", "switch the machine off"),
    ("list\r", "uptime-s"),
    ("stats\r", "exits"),
    ("show lines\r", "last-fault"),
    ("restart more\r", "\n"),
    ("stats attacker\r", "\nexits "),
    ("log\rhelp\rlist\r", "uptime-s"),
    ("restart lines\r", "\n"),
    ("lst\r", "nearest"),
];
/// The number of commands that are prepared: more than a run has time for.
const TYPED: usize = 10_000;
/// In a flood: the number of commands in a row, and of lines that are printed before the next ones.
const IN_A_ROW: usize = 3;
const LINES: usize = 4;

/// What the partitions beside the attacker do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// They print as fast as they can, one of them without line ends.
    Flood,
    /// They print little, so that the monitor does most of the console's work.
    Orders,
}

/// What runs have shown.
pub struct Run {
    /// The stays of each cause, in the order of [`CAUSES`](super::causes::CAUSES).
    pub stays: Vec<Stays>,
    /// The number of instructions in all stays.
    pub instructions: u64,
}

/// Runs both loads, each until EL2 has executed the number of instructions.
pub fn run_both(column: Column, flood: u64, orders: u64) -> Run {
    let mut run = run(column, Load::Flood, flood);
    let more = self::run(column, Load::Orders, orders);
    super::add(&mut run.stays, more.stays);
    run.instructions += more.instructions;
    run
}

/// Runs three partitions beside the attacker, while the monitor gets all of its commands, until EL2
/// has executed this number of instructions. With `-icount` QEMU runs the CPUs in turns, which the
/// timer of a further guest makes short. It has the first CPU, with which each round of turns begins,
/// and another partition's CPU handles the console's interrupts.
pub fn run(column: Column, load: Load, instructions: u64) -> Run {
    let attacker = |name, bootargs| {
        let attacker = Partition::new(name, "attacker").bootargs(bootargs);
        let attacker = attacker.property("max-restarts = <1000000>;");
        attacker.property("watchdog-ms = <3600000>;")
    };
    let hello = |name, bootargs| Partition::new(name, "hello").bootargs(bootargs);
    let [lines, bytes, more, attacker] = match load {
        Load::Flood => [
            hello("lines", "lines=1000000000"),
            attacker("bytes", "seed=1 rounds=1000000 groups=output"),
            hello("more", "lines=1000000000"),
            attacker("attacker", "seed=3 again groups=walks,exceptions,calls,frames,sgis,storms"),
        ],
        Load::Orders => [
            hello("lines", "ticks=1000000").memory(4 << 20),
            attacker("bytes", "seed=1 groups=frames again").memory(4 << 20),
            hello("more", "ticks=1000000").memory(4 << 20),
            attacker("attacker", "groups=none again").memory(4 << 20),
        ],
    };
    let clock = Partition::new("clock", "metronome").bootargs("beats=1000000000 period-us=20");
    let partitions = [
        lines.cpu_ids(&[1]),
        bytes.cpu_ids(&[2]),
        more.cpu_ids(&[3]),
        attacker.cpu_ids(&[4, 5]),
        clock.cpu_ids(&[0]),
    ];
    let code = Code::of_image();
    let mut machine = with_monitor(column, 6, &partitions)
        .option("-d", "exec,nochain")
        .option("-dfilter", code.filter())
        .type_after("hello: ", OPEN);
    let shows_others = load == Load::Flood;
    for (number, (keys, answer)) in COMMANDS.into_iter().cycle().take(TYPED).enumerate() {
        machine = machine.type_after(PROMPT, keys);
        if number % IN_A_ROW < IN_A_ROW - 1 || !shows_others {
            machine = machine.type_after(answer, "");
            continue;
        }
        machine = machine.type_after(answer, SHOW_ALL);
        for _ in 1..LINES {
            machine = machine.type_after("hello: line", "");
        }
        machine = machine.type_after("hello: line", OPEN);
    }
    let read = |log: PipeReader| {
        let mut divider = Divider::new(&code);
        let take = |event| {
            divider.take(event);
            divider.instructions() < instructions
        };
        trace::read(log, take).expect("QEMU's log can be read");
        divider.finish()
    };
    let (outcome, (stays, executed)) = machine.boot_with_log(read);
    outcome.check(executed >= instructions, "the machine ended early");
    // The load has done what it is there for.
    let texts: &[&str] = match load {
        Load::Flood => &["hello: line 20 of", "xxxxxxxx", "the monitor has the console"],
        Load::Orders => &["uptime-s", "stopped at the monitor's order", "reset itself"],
    };
    for text in texts {
        let is_there = !outcome.lines().containing(text).is_empty();
        outcome.check(is_there, &format!("`{text}` is not printed"));
    }
    Run { stays, instructions: executed }
}
