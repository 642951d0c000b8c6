//! The monitor's answers: tables for people and for `awk`, line by line.

use super::command::{self, Command, Request};
use super::links::links;
use super::output::{COLUMNS, Output, Part};
use super::show::show;
use super::system::{Status, System};
use crate::trap::stats::{COPIED, COPIED_NAME, Cause, Counts, EXITS, NAMES};

/// A partition's counters at the last two times at which a terminal showed them.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample {
    /// The earlier time in milliseconds since Bulkhead started, and the counters then.
    before: (u64, Counts),
    /// The later time, and the counters then.
    now: (u64, Counts),
}

impl Sample {
    /// Reads the counters again. Not inlined, as it has several callers.
    #[inline(never)]
    fn take(&mut self, partition: usize, system: &dyn System) {
        self.before = self.now;
        self.now = (system.milliseconds(), system.counts(partition));
    }

    /// Adds the count of a cause, and its rate per second between the two times.
    #[inline(never)]
    fn show(&self, cause: usize, columns: [usize; 2], output: &mut Output) {
        let [(before, earlier), (now, counts)] = [&self.before, &self.now];
        let count = counts.nth(cause);
        let new = count.wrapping_sub(earlier.nth(cause));
        let tenths = new.saturating_mul(10_000) / now.saturating_sub(*before).max(1);
        output.number(count, 0, columns[0]);
        output.number(tenths, 1, columns[1]);
    }
}

/// Writes the line of an answer at `position`, without a line end, or does the work there. The
/// first is at 0.
pub(super) fn part(
    (command, partition): Request,
    position: u64,
    samples: &mut [Sample],
    system: &dyn System,
    output: &mut Output,
) -> Part {
    let line = position as usize;
    let is_line = match (command, partition) {
        (Command::Log, _) => return log(position, system, output).map_or(Part::End, Part::Line),
        (Command::List, _) => list(line, system, output),
        (Command::Show, Some(partition)) => show(line, partition, system, output),
        (Command::Stats, Some(partition)) => {
            let sample = &mut samples[partition];
            if line == 0 {
                sample.take(partition, system);
            }
            causes(line, sample, system.has_links(), output)
        }
        (Command::Links, _) => return links(position, system, output),
        (Command::Stats, None) => return sums(position, samples, system, output),
        _ => command::help(line, output),
    };
    if is_line { Part::Line(position + 1) } else { Part::End }
}

/// Writes a line of the answer to `log`.
fn log(position: u64, system: &dyn System, output: &mut Output) -> Option<u64> {
    let mut line = [0; COLUMNS];
    let (len, next) = system.read_log(position, &mut line)?;
    output.raw(line.get(..len).unwrap_or_default());
    Some(next)
}

/// Begins a row of a table of partitions with the partition's number, from 1 on, and its name.
/// Returns the partition's index; `None` for line 0, which has the headings, and after the last
/// row.
fn row(line: usize, system: &dyn System, output: &mut Output) -> Option<usize> {
    let partition = line.checked_sub(1)?;
    if partition >= system.partitions() {
        return None;
    }
    output.number(line as u64, 0, 3);
    output.column(4);
    output.text(system.plan(partition).name.as_str());
    Some(partition)
}

/// Writes the headings of a table if this is line 0, and returns whether it is.
fn heading(text: &str, line: usize, output: &mut Output) -> bool {
    if line == 0 {
        output.text(text);
    }
    line == 0
}

/// Writes a line of the answer to `list`.
fn list(line: usize, system: &dyn System, output: &mut Output) -> bool {
    const STATE: usize = 20;
    const CPUS: usize = 35;
    const MEMORY: usize = 48;
    const RESTARTS: usize = 59;
    const UPTIME: usize = 72;
    let Some(partition) = row(line, system, output) else {
        return heading(
            " no name            state      CPUs   memory-MiB   restarts     uptime-s",
            line,
            output,
        );
    };
    let plan = system.plan(partition);
    let Status { stage, restarts, uptime, .. } = system.status(partition);
    output.column(STATE);
    output.text(stage.name());
    output.number(plan.cpus.len() as u64, 0, CPUS);
    let bytes = plan.memory.guest.size();
    if bytes.is_multiple_of(1 << 20) {
        output.number(bytes >> 20, 0, MEMORY);
    } else {
        output.number(((bytes >> 10) * 1000) >> 10, 3, MEMORY);
    }
    output.number(restarts.into(), 0, RESTARTS);
    match uptime {
        Some(milliseconds) => output.number(milliseconds, 3, UPTIME),
        None => {
            output.column(UPTIME - 1);
            output.text("-");
        }
    }
    true
}

// The columns at which the columns of both tables of `stats` end.
const COUNT: usize = 33;
const RATE: usize = 45;
const INTERRUPTS: usize = 58;
const INTERRUPT_RATE: usize = 71;
const INJECTED: usize = 80;

/// The number of parts of a row of `stats`.
const ROW_PARTS: u64 = 3;

/// Writes a part of the answer to `stats`: the headings, or a part of a partition's row. A row has
/// one for reading the counters and two for its numbers, so that each of them is short.
fn sums(position: u64, samples: &mut [Sample], system: &dyn System, output: &mut Output) -> Part {
    let Some(position_in_rows) = position.checked_sub(1) else {
        output.text(
            " no name                   exits     exits/s   interrupts interrupts/s injected",
        );
        return Part::Line(1);
    };
    let partition = (position_in_rows / ROW_PARTS) as usize;
    let Some(sample) = samples.get_mut(partition) else { return Part::End };
    let next = position + 1;
    match position_in_rows % ROW_PARTS {
        0 => sample.take(partition, system),
        1 => {
            row(partition + 1, system, output);
            sample.show(EXITS, [COUNT, RATE], output);
        }
        _ => {
            sample.show(Cause::Interrupt as usize, [INTERRUPTS, INTERRUPT_RATE], output);
            output.number(sample.now.1.nth(Cause::Injected as usize), 0, INJECTED);
            return Part::Line(next);
        }
    }
    Part::Work(next)
}

/// Writes a line of the answer to `stats NAME`, which has a row for each cause and one for the sum,
/// and if there are links, one for the bytes that were copied.
fn causes(line: usize, sample: &Sample, has_links: bool, output: &mut Output) -> bool {
    let Some(cause) = line.checked_sub(1) else {
        return heading("cause                       count     count/s", line, output);
    };
    let name = match cause {
        EXITS => Some(&"exits"),
        COPIED if has_links => Some(&COPIED_NAME),
        _ => NAMES.get(cause),
    };
    let Some(name) = name else { return false };
    output.text(name);
    sample.show(cause, [COUNT, RATE], output);
    true
}
