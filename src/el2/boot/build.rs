//! Building the partitions at boot, each on its own CPUs, all at once.

use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::description::PlanError;
use bulkhead::boot::guest_tree::{self, GuestTree};
use bulkhead::boot::machine::Machine;
use bulkhead::boot::plan::{PartitionPlan, Plan};
use log::info;
use spin::Once;

use super::load::Load;
use super::{FirmwareTree, refuse};
use crate::el2::arch::sync::{self, Mutex};
use crate::el2::drivers::gic::Gic;
use crate::el2::mm::stage2;
use crate::el2::partition::{self, Built, Partition, Place};
use crate::el2::{console, monitor};

/// What all partitions are built from.
pub struct Work {
    firmware: FirmwareTree,
    machine: Machine,
    gic: &'static Gic,
    /// The private interrupts that guests have.
    ppis: Vec<Intid>,
    /// One for each partition, in the order of the Plan.
    jobs: Vec<Job>,
}

/// One partition.
struct Job {
    /// Its CPUs: the first one builds it, and the others help to copy.
    cpus: Vec<usize>,
    /// The memory for its stage-2 tables.
    tables: Region<Pa>,
    /// What it owns, until somebody builds it.
    plan: Mutex<Option<PartitionPlan>>,
    /// What is to be copied, once that is known.
    load: Once<Load>,
    /// What came of it.
    built: Mutex<Option<Outcome>>,
}

/// A partition, and what is to be said about it, a line each.
type Outcome = Result<(Partition, Vec<String>), PlanError>;

static WORK: Once<Work> = Once::new();

/// Makes everything ready for the partitions to be built.
pub fn prepare(
    firmware: FirmwareTree,
    machine: Machine,
    plan: Plan,
    gic: &'static Gic,
) -> &'static Work {
    let names: Vec<_> = plan.partitions.iter().map(|partition| partition.name.as_str()).collect();
    console::add_partitions(&names);
    monitor::init(names.len());
    let ppis = (0..16).filter_map(Intid::ppi).filter(|ppi| !is_own(&machine, *ppi)).collect();
    let tables = stage2::divide(&plan);
    let job = |(plan, tables): (PartitionPlan, _)| Job {
        cpus: plan.cpus.clone(),
        tables,
        plan: Mutex::new(Some(plan)),
        load: Once::new(),
        built: Mutex::new(None),
    };
    let jobs = plan.partitions.into_iter().zip(tables).map(job).collect();
    WORK.call_once(|| Work { firmware, machine, gic, ppis, jobs })
}

/// The work, for a CPU that was started to take part in it.
pub fn work() -> &'static Work {
    WORK.get().expect("it is ready before another CPU is started")
}

impl Work {
    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Whether a partition owns this CPU.
    pub fn is_owned(&self, cpu: usize) -> bool {
        self.jobs.iter().any(|job| job.cpus.contains(&cpu))
    }

    /// Does what is this CPU's to do for the partition that owns it, if one does.
    pub fn take_part(&self, cpu: usize) {
        for (index, job) in self.jobs.iter().enumerate() {
            match job.cpus.iter().position(|owned| *owned == cpu) {
                Some(0) => {
                    let plan = job.plan.lock().take();
                    let plan = plan.expect("nobody else takes it, and this CPU comes here once");
                    let built = self.build(index, job, plan);
                    *job.built.lock() = Some(built);
                }
                Some(_) => job.help(),
                None => {}
            }
        }
    }

    /// Builds a partition, up to the first instruction of its guest.
    fn build(&self, index: usize, job: &Job, plan: PartitionPlan) -> Outcome {
        // SAFETY: this is the partition's part, and whoever takes its plan builds it, once.
        unsafe { stage2::build(&plan, job.tables) }.expect("the Plan has checked what is mapped");
        let GuestTree { bytes: tree, remarks } =
            guest_tree::build(&plan, &self.machine, &self.firmware.tree)?;
        let load = job.load.call_once(|| Load::new(&plan, &tree));
        load.take_part();
        load.finish();
        let place = Place { index, partitions: self.jobs.len() };
        let built = Built { plan, tree, stage2: job.tables.start() };
        Ok((Partition::new(built, place, self.gic, &self.ppis), remarks))
    }

    /// Waits until every partition is built, and keeps them for good.
    pub fn finish(&self) -> &'static [Partition] {
        let finish = |job: &Job| {
            let built = loop {
                if let Some(built) = job.built.lock().take() {
                    break built;
                }
                sync::relax();
            };
            let (partition, remarks) = built.unwrap_or_else(|why| refuse(format_args!("{why}")));
            for remark in remarks {
                info!("{}: {remark}", partition.name());
            }
            partition
        };
        partition::install(self.jobs.iter().map(finish).collect())
    }
}

impl Job {
    /// Copies a part of what there is to be copied, unless it is refused before.
    fn help(&self) {
        while self.built.lock().is_none() {
            if let Some(load) = self.load.get() {
                return load.take_part();
            }
            sync::relax();
        }
    }
}

/// Whether Bulkhead keeps a private interrupt for itself; guests have all the others.
fn is_own(machine: &Machine, ppi: Intid) -> bool {
    ppi == machine.gic.maintenance() || ppi == machine.timer.hypervisor
}
