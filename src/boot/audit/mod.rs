//! Audits the finished translation tables before the first guest runs.
//!
//! The audit walks them as the hardware does, from their roots and by their raw descriptors, and
//! compares the result with the Plan. On purpose it shares no code with what builds the tables
//! ([`crate::mm::tables`]) and with what lists the mappings ([`PartitionPlan::mappings`]), so that
//! an error there is found here.

mod dma;
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

pub use dma::{StreamSummary, StreamTable, devices, streams};
pub use walk::{Descriptors, Read};

/// Bits of EL2's leaves (Arm ARM D8.4.1): AP\[2\] forbids writes, XN forbids execution.
const READ_ONLY: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 54;

/// The root table of a CPU's EL2: 41 bits of input addresses, from level 0 on (Arm ARM D8.2).
pub type Root = [u64; 4];

/// The tables for one of EL2's windows, as they should be.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The memory that they map.
    pub memory: &'a [Region<Pa>],
    /// The table of level 1.
    pub table: Pa,
    /// How the memory may be used.
    pub access: Access,
}

/// How a window may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// For reading and writing, with allocation tags: a partition's memory.
    Write,
    /// For reading: the images.
    Read,
}

/// An error in the tables. Displayed as a clause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding(String);

impl Finding {
    /// Returns a function that turns an error in the tables of `whose` into a `Finding`.
    fn of(whose: &str) -> impl Fn(Wrong) -> Self {
        move |(what, at)| Self(format!("{whose}: {what}, {at:#x}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The size of the tables in which the audit found no error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The number of 4 KiB pages that are mapped for the partitions, in leaves of any size.
    pub pages: u64,
    /// The number of stage-2 tables.
    pub tables: usize,
    /// The number of partitions.
    pub partitions: usize,
    /// The number of those pages that have an owner already, whose read-only disk they are.
    pub shared: u64,
    /// The number of those that have an owner already, with which a link shares them.
    pub linked: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pages, tables, partitions, shared, linked } = self;
        let pages = Thousands(*pages);
        let plural = if *partitions == 1 { "" } else { "s" };
        write!(f, "{pages} pages in {tables} tables of {partitions} partition{plural}: ")?;
        f.write_str("each has one owner")?;
        let mut separator = ", but";
        for (pages, how) in [(shared, "shared and read-only"), (linked, "shared by links")] {
            if *pages > 0 {
                write!(f, "{separator} {} are {how}", Thousands(*pages))?;
                separator = ", and";
            }
        }
        Ok(())
    }
}

/// A number, displayed with a comma before each three digits.
struct Thousands(u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thousands, ones) = (self.0 / 1000, self.0 % 1000);
        match thousands {
            0 => write!(f, "{ones}"),
            1..1000 => write!(f, "{thousands},{ones:03}"),
            _ => write!(f, "{},{:03},{ones:03}", thousands / 1000, thousands % 1000),
        }
    }
}

/// Audits stage 2. `partitions` are all partitions, each with its root table (VTTBR_EL2.BADDR);
/// `tables` is the memory that must contain all tables.
///
/// # Errors
///
/// The first address that a partition reaches and must not, or does not reach and should.
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
    let (mut shared, mut linked) = (0, 0);
    // The mapped memory, with the names of the partitions.
    let mut reached: Vec<(Run, &str)> = Vec::new();
    for (plan, root) in partitions {
        let finding = Finding::of(&plan.name);
        let mut mapped = walk.root(*root).map_err(&finding)?;
        owned::compare(&mapped, &owned::owned(machine, plan)).map_err(&finding)?;
        owned::check_traps(&mapped, plan).map_err(&finding)?;
        if !plan.disks.is_empty() || !plan.shared_memory.is_empty() {
            let taken = owned::take_shared(plan, &plans, &mut mapped).map_err(&finding)?;
            pages += (taken.disks + taken.memory) / PAGE_SIZE;
            shared += taken.disks / PAGE_SIZE;
            linked += taken.memory / PAGE_SIZE;
        }
        pages += mapped.iter().map(|run| run.size / PAGE_SIZE).sum::<u64>();
        mapped.extend(owned::behind_devices(plan));
        for run in mapped {
            if Some(run) != of_all {
                let output = region(&run).ok_or(("an address wraps around", run.input));
                let output = output.map_err(&finding)?;
                if let Some(own) = owned::first_overlap(&forbidden, &output) {
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
    Ok(Summary { pages, tables: walk.tables(), partitions: partitions.len(), shared, linked })
}

/// Audits the tables for one of EL2's windows. `tables` is the memory of its own that must contain
/// all of them.
///
/// # Errors
///
/// The first address that a window maps and must not, or does not map and should, and the first one
/// with wrong attributes.
pub fn window<'a>(window: &Window<'_>, tables: Region<Pa>, read: Read<'a>) -> Result<(), Finding> {
    let finding = Finding::of("EL2's window");
    let mapped = Walk::new(tables, read).root(window.table).map_err(&finding)?;
    owned::compare(&mapped, &owned::window(window)).map_err(&finding)
}

/// Audits the root tables of all CPUs' EL2, which are all zero for CPUs that do not
/// exist. Returns the table of level 1 that all lead to.
///
/// # Errors
///
/// If a window is open, or if not all roots lead to the same table.
pub fn roots(roots: impl Iterator<Item = Root>) -> Result<Pa, Finding> {
    let finding = Finding::of("EL2's root tables");
    let mut shared = 0;
    for (number, [first, a, b, c]) in roots.enumerate() {
        if a | b | c != 0 {
            return Err(finding(("a window is open, of the CPU with stack", number as u64)));
        }
        if first != 0 && first != shared {
            if shared != 0 {
                return Err(finding(("not all lead to the same table", first)));
            }
            shared = first;
        }
    }
    // A link to a table (Arm ARM D8.3.1), without any of its attributes.
    const LINK: u64 = 0b11;
    if shared & 0xfff0_0000_0000_0fff != LINK {
        return Err(finding(("the first entry leads to no table", shared)));
    }
    Ok(Pa::new(shared & !LINK))
}

/// Returns the memory that a run maps.
fn region(run: &Run) -> Option<Region<Pa>> {
    Region::new(Pa::new(run.output), run.size)
}

/// Audits EL2's tables from the table `root` of level 1, which [`roots`] returns. `tables` is the
/// memory that must contain them, `code` the only memory that may be executable, and `closed` the
/// partitions' memory and their images, which must not be mapped.
///
/// # Errors
///
/// The first address that is writable and executable, is executable and not code, is not
/// identity-mapped, or is in closed memory.
pub fn stage_1<'a>(
    root: Pa,
    tables: Region<Pa>,
    code: &[Region<Pa>],
    closed: &[Region<Pa>],
    read: Read<'a>,
) -> Result<(), Finding> {
    let finding = Finding::of("EL2");
    let closed = owned::merged(closed.to_vec());
    for run in Walk::new(tables, read).root(root).map_err(&finding)? {
        let is_executed = run.attributes & NO_EXECUTE == 0;
        let is_written = run.attributes & READ_ONLY == 0;
        let place = region(&run);
        let is_code = place.is_some_and(|it| is_covered(&it, code));
        let is_closed = place.is_some_and(|it| owned::first_overlap(&closed, &it).is_some());
        let what = match (run.input == run.output, is_executed, is_written) {
            _ if is_closed => "memory is reached that must be closed",
            (false, ..) => "an address is translated to another",
            (_, true, true) => "memory is both written and executed",
            (_, true, _) if !is_code => "memory is executed that is not code",
            _ => continue,
        };
        return Err(finding((what, run.input)));
    }
    Ok(())
}

/// Returns whether `parts`, which ascend and may touch, cover all of `region`.
fn is_covered(region: &Region<Pa>, parts: &[Region<Pa>]) -> bool {
    let mut start = region.start();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if part.contains(start) {
            start = part.end();
        }
    }
    start >= region.end()
}
