//! The load under which stays are measured.

use std::io::PipeReader;

use super::code::Code;
use super::{Divider, Stays, trace};
use crate::measure::column::Column;
use crate::measure::machine::with_monitor;
use crate::{Outcome, Partition};

/// The keys that open the monitor: Ctrl-] twice.
const OPEN: &str = "\x1d\x1d";
const PROMPT: &str = "bulkhead> ";

/// The commands of a round. Each is typed after the prompt that follows the one before.
const ROUND: [&str; 10] = [
    "help\r",
    "list\r",
    "stats\r",
    "show lines\r",
    "stats attacker\r",
    "log\r",
    "restart lines\r",
    "show attacker\r",
    "lst\r",
    "log\rhelp\rlist\rstats\r",
];

/// What a run has shown.
pub struct Run {
    /// The stays of each cause, in the order of [`CAUSES`](super::causes::CAUSES).
    pub stays: Vec<Stays>,
    /// The number of instructions in all stays.
    pub instructions: u64,
    /// The console, and how the run ended.
    pub outcome: Outcome,
}

/// Runs three partitions that print as fast as they can, one of them without line ends, beside the
/// attacker, while the monitor gets this number of rounds of all of its commands.
pub fn run(column: Column, rounds: usize) -> Run {
    let flood = |name| Partition::new(name, "hello").bootargs("lines=1000000000");
    let bytes = Partition::new("bytes", "attacker").bootargs("seed=1 rounds=1000000 groups=output");
    let attacker = Partition::new("attacker", "attacker").bootargs("seed=1 again").cpus(2);
    let attacker = attacker.property("max-restarts = <1000000>;");
    let attacker = attacker.property("watchdog-ms = <3600000>;");
    let partitions = [flood("lines"), bytes, flood("more"), attacker];
    let code = Code::of_image();
    let mut machine = with_monitor(column, 5, &partitions)
        .option("-d", "exec,nochain")
        .option("-dfilter", code.filter())
        .type_after("[lines]    hello: line", OPEN);
    for _ in 0..rounds {
        for keys in ROUND {
            machine = machine.type_after(PROMPT, keys);
        }
    }
    let machine = machine.type_after(PROMPT, "poweroff\r");
    let read = |log: PipeReader| {
        let mut divider = Divider::new(&code);
        trace::read(log, |event| divider.take(event)).expect("QEMU's log can be read");
        divider.finish()
    };
    let (outcome, (stays, instructions)) = machine.boot_with_log(read);
    Run { stays, instructions, outcome }
}
