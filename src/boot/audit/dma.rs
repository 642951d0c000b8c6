//! Audits what devices behind SMMUs reach: the partitions' tables for them, and the SMMUs' stream
//! tables, which are walked as the hardware does (Arm IHI 0070, 3.3 and 5.2).

use core::fmt;

use super::walk::{Read, Walk, Wrong};
use super::{Finding, Thousands, owned};
use crate::arch::addr::{PAGE_SIZE, Pa, Region};
use crate::boot::machine::Machine;
use crate::boot::plan::{PartitionPlan, SmmuPlan};

/// The bits of an entry's doublewords 1 and 2 that may be as they like: MEV, which events are
/// recorded, and the cacheability of the SMMU's walks.
const FREE_1: u64 = 1 << 19;
const FREE_2: u64 = 1 << 58 | 0x3f << 40;
/// Doubleword 1: SHCFG = 1, "use incoming". EATS = 0: a device cannot have translations of its own.
const ATTRIBUTES: u64 = 1 << 44;
/// Doubleword 2 without S2VMID and S2PS: S2T0SZ = 25 and S2SL0 = 1, 39 bits of addresses from level
/// 1 on; S2AA64 and S2AFFD. S2ENDI, S2PTW, S2HD, S2HA and S2S are 0, and so is S2TG, 4 KiB.
const STAGE_2: u64 = 25 << 32 | 1 << 38 | 1 << 51 | 1 << 53;
/// S2PS: any size that the SMMU has, since the output addresses are audited.
const OUTPUT_SIZE: u64 = 0b111 << 48;

/// A stream table, as an SMMU finds it.
pub struct StreamTable<'a> {
    /// What it should be.
    pub plan: &'a SmmuPlan,
    /// SMMU_STRTAB_BASE.
    pub base: u64,
    /// SMMU_STRTAB_BASE_CFG.
    pub base_cfg: u32,
    /// Reads the doubleword at an address in the Plan's memory for the SMMU.
    pub read: &'a dyn Fn(Pa) -> u64,
}

/// The sizes of what the audit found correct.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamSummary {
    /// The number of streams that lead to a partition.
    pub streams: usize,
    /// The number of 4 KiB pages that are mapped for the devices of all partitions.
    pub pages: u64,
}

impl fmt::Display for StreamSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { streams, pages } = self;
        let plural = if *streams == 1 { " reaches" } else { "s reach" };
        let pages = Thousands(*pages);
        write!(f, "{streams} stream{plural} {pages} pages of the own partition's memory: ")?;
        f.write_str("all others abort")
    }
}

/// Audits the tables for devices of the partitions that have some, each with its root.
/// `tables` is the memory that must contain all tables. Returns the number of pages that they map.
///
/// That each page has one owner is what [`stage_2`](super::stage_2) finds: what a partition's
/// devices reach must be exactly the memory, also shared, and the disks that the Plan gives to its
/// CPUs, and the page that takes their messages.
///
/// # Errors
///
/// The first address that a device reaches and must not, or does not reach and should.
pub fn devices<'a>(
    machine: &Machine,
    partitions: &[(&PartitionPlan, Pa)],
    tables: Region<Pa>,
    read: Read<'a>,
) -> Result<u64, Finding> {
    let mut walk = Walk::new(tables, read);
    let mut pages = 0;
    for (plan, root) in partitions {
        let finding = Finding::of(&plan.name);
        let mapped = walk.root(*root).map_err(&finding)?;
        owned::compare(&mapped, &owned::of_devices(machine, plan)).map_err(&finding)?;
        // The page for messages is none of them.
        pages += owned::memory(plan).iter().map(|run| run.size / PAGE_SIZE).sum::<u64>();
    }
    Ok(pages)
}

/// Audits a stream table before the first guest starts, when all streams must be closed. `roots`
/// are all partitions, each with the root of its tables for devices, if it has some. Returns the
/// number of streams that can be opened.
///
/// # Errors
///
/// The first stream that is open, or that leads to something else than the Plan says.
pub fn streams(
    table: &StreamTable<'_>,
    roots: &[(&PartitionPlan, Option<Pa>)],
) -> Result<usize, Finding> {
    let finding = Finding::of("an SMMU's stream table");
    let (log2, split) = (table.base_cfg & 0x3f, table.base_cfg >> 6 & 0x1f);
    let base = table.base & 0x000f_ffff_ffff_ffc0;
    let mut found = 0;
    match table.base_cfg >> 16 & 0b11 {
        0 => table.entries(base, 0..1 << log2, roots, &mut found).map_err(&finding)?,
        1 if split < log2 => {
            for lead in 0..1_u64 << (log2 - split) {
                let descriptor = table.word(base + lead * 8).map_err(&finding)?;
                // Span: 0 is invalid, n stands for two to the power of n - 1 entries.
                let span = descriptor & 0x1f;
                if span == 0 {
                    continue;
                }
                if span - 1 > u64::from(split) {
                    return Err(finding(("a descriptor spans too many streams", lead)));
                }
                let (first, entries) = (lead << split, descriptor & 0x000f_ffff_ffff_ffc0);
                let ids = first..first + (1 << (span - 1));
                table.entries(entries, ids, roots, &mut found).map_err(&finding)?;
            }
        }
        _ => return Err(finding(("its format is unknown", table.base_cfg.into()))),
    }
    if found != table.plan.streams.len() {
        return Err(finding(("streams of the Plan are missing, of them", found as u64)));
    }
    Ok(found)
}

impl StreamTable<'_> {
    /// Returns the doubleword at an address.
    fn word(&self, address: u64) -> Result<u64, Wrong> {
        let address = Pa::new(address);
        match self.plan.memory.contains(address) && address.is_aligned(8) {
            true => Ok((self.read)(address)),
            false => Err(("it reaches beyond its memory", address.get())),
        }
    }

    /// Checks the entries of these StreamIDs, the first of which is at `address`, and counts those
    /// that lead to a partition.
    fn entries(
        &self,
        address: u64,
        ids: core::ops::Range<u64>,
        roots: &[(&PartitionPlan, Option<Pa>)],
        found: &mut usize,
    ) -> Result<(), Wrong> {
        /// V, and Config = 0: accesses abort.
        const CLOSED: u64 = 1;
        for (index, id) in ids.enumerate() {
            let mut entry = [0; 8];
            for (number, word) in (0..).zip(&mut entry) {
                *word = self.word(address + index as u64 * 64 + number * 8)?;
            }
            let [state, attributes, stage_2, root, rest @ ..] = entry;
            if state != CLOSED {
                return Err(("a stream is open or invalid", id));
            }
            let own = self.plan.streams.iter().find(|stream| u64::from(stream.id) == id);
            let Some(own) = own else {
                if entry[1..] != [0; 7] {
                    return Err(("a stream leads somewhere that nobody owns", id));
                }
                continue;
            };
            let Some((plan, Some(own_root))) = roots.get(own.partition) else {
                return Err(("a stream's partition has no tables for devices", id));
            };
            if root != own_root.get() {
                return Err(("a stream leads to other tables than its partition's", id));
            }
            let is_right = attributes & !FREE_1 == ATTRIBUTES
                && stage_2 & !(FREE_2 | OUTPUT_SIZE) == STAGE_2 | u64::from(plan.vmid)
                && rest == [0; 4];
            if !is_right {
                return Err(("a stream is not translated as its partition's should be", id));
            }
            *found += 1;
        }
        Ok(())
    }
}
