//! The audit of the finished translation tables, before the first guest runs.
//!
//! It walks them as the hardware will, from their roots and by their raw descriptors, and holds what
//! it finds against the Plan. It shares nothing with the code that built them ([`crate::tables`]) or
//! that listed what is to be mapped ([`PartitionPlan::mappings`]), so that a mistake there is found
//! here.

mod owned;
#[cfg(test)]
mod tests;
mod walk;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::machine::Machine;
use super::plan::PartitionPlan;
use crate::arch::addr::{PAGE_SIZE, Pa, Region};
use walk::{Run, Walk, Wrong};

pub use walk::{Descriptors, Read};

/// EL2's own leaves (Arm ARM D8.4.1): AP\[2\], which forbids writes, and XN, which forbids execution.
const READ_ONLY: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 54;

/// What is wrong with the tables. Displayed as a clause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding(String);

impl Finding {
    fn of(whose: &str) -> impl Fn(Wrong) -> Self {
        move |(what, at)| Self(format!("{whose}: {what}, {at:#x}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was walked, and found to be right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Pages of 4 KiB that the partitions reach, in leaves of any size.
    pub pages: u64,
    /// The stage-2 tables.
    pub tables: usize,
    /// The partitions.
    pub partitions: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pages, tables, partitions } = self;
        let (thousands, ones) = (pages / 1000, pages % 1000);
        match thousands {
            0 => write!(f, "{ones}")?,
            1..1000 => write!(f, "{thousands},{ones:03}")?,
            _ => write!(f, "{},{:03},{ones:03}", thousands / 1000, thousands % 1000)?,
        }
        let plural = if *partitions == 1 { "" } else { "s" };
        write!(f, " pages in {tables} tables of {partitions} partition{plural}: each has one owner")
    }
}

/// Audits stage 2. `partitions` are all of them, each with its root (VTTBR_EL2.BADDR); `tables` is
/// the memory that all of their tables lie in.
///
/// # Errors
///
/// The first thing that a partition reaches and must not, or does not reach and should.
pub fn stage_2<'a>(
    machine: &Machine,
    partitions: &[(&PartitionPlan, Pa)],
    tables: Region<Pa>,
    read: Read<'a>,
) -> Result<Summary, Finding> {
    let plans: Vec<_> = partitions.iter().map(|(plan, _)| *plan).collect();
    let forbidden = owned::forbidden(machine, &plans, tables);
    let of_all = owned::cpu_interface(&machine.gic);
    let mut walk = Walk::new(tables, read);
    let mut pages = 0;
    // What is reached, and whose it is.
    let mut reached: Vec<(Run, &str)> = Vec::new();
    for (plan, root) in partitions {
        let finding = Finding::of(&plan.name);
        let mapped = walk.root(*root).map_err(&finding)?;
        owned::compare(&mapped, &owned::owned(machine, plan)).map_err(&finding)?;
        owned::check_traps(&mapped, plan).map_err(&finding)?;
        for run in mapped {
            pages += run.size / PAGE_SIZE;
            if Some(run) != of_all {
                let output = region(&run).ok_or(("an address wraps around", run.input));
                let output = output.map_err(&finding)?;
                if let Some(own) = forbidden.iter().find(|own| own.overlaps(&output)) {
                    let start = own.start().get().max(run.output);
                    return Err(finding(("it reaches what is Bulkhead's or reserved", start)));
                }
                reached.push((run, &plan.name));
            }
        }
    }
    reached.sort_by_key(|(run, _)| run.output);
    for pair in reached.windows(2) {
        if let [(one, _), (other, name)] = pair
            && one.output + one.size > other.output
        {
            return Err(Finding::of(name)(("a page has two owners", other.output)));
        }
    }
    Ok(Summary { pages, tables: walk.tables(), partitions: partitions.len() })
}

fn region(run: &Run) -> Option<Region<Pa>> {
    Region::new(Pa::new(run.output), run.size)
}

/// Audits EL2's own tables, from `root` (TTBR0_EL2.BADDR): `tables` is the memory that they lie in,
/// `code` the only memory that may be executed, and `closed` the partitions' memory, which EL2 has
/// filled and must not reach any more.
///
/// # Errors
///
/// The first address that is both written and executed, is executed without being code, is
/// translated to another, or is a partition's.
pub fn stage_1<'a>(
    root: Pa,
    tables: Region<Pa>,
    code: &[Region<Pa>],
    closed: &[Region<Pa>],
    read: Read<'a>,
) -> Result<(), Finding> {
    let finding = Finding::of("EL2");
    for run in Walk::new(tables, read).root(root).map_err(&finding)? {
        let is_executed = run.attributes & NO_EXECUTE == 0;
        let is_written = run.attributes & READ_ONLY == 0;
        let place = region(&run);
        let is_code = place.is_some_and(|it| is_covered(&it, code));
        let is_closed = place.is_some_and(|it| closed.iter().any(|other| other.overlaps(&it)));
        let what = match (run.input == run.output, is_executed, is_written) {
            _ if is_closed => "a partition's memory is reached",
            (false, ..) => "an address is translated to another",
            (_, true, true) => "memory is both written and executed",
            (_, true, _) if !is_code => "memory is executed that is not code",
            _ => continue,
        };
        return Err(finding((what, run.input)));
    }
    Ok(())
}

/// Whether `parts`, which ascend and may touch, cover all of `region`.
fn is_covered(region: &Region<Pa>, parts: &[Region<Pa>]) -> bool {
    let mut start = region.start();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if part.contains(start) {
            start = part.end();
        }
    }
    start >= region.end()
}
