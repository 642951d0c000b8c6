//! Builds the partitions, each on its own CPUs and all at the same time.

use aarch64_cpu::asm::barrier;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::description::PlanError;
use bulkhead::boot::guest_tree::{self, GuestTree};
use bulkhead::boot::machine::Machine;
use bulkhead::boot::plan::{PartitionPlan, Plan, PlannedDisk, SharedMemoryPort, SmmuPlan};
use bulkhead::devices::planned::DeviceKind;
use bulkhead::entropy::{Pool, scrub_stack};
use log::info;

use super::its::{self, ItsWork};
use super::load::Load;
use super::refuse::refuse;
use super::stage2::{self, TableMemory};
use super::{FirmwareTree, console, entropy, mmu, smmu};
use crate::el2::arch::sync::{self, Barrier, Mutex, SetOnce};
use crate::el2::console::Port;
use crate::el2::cpu::Seat;
use crate::el2::dma::{self, Smmus};
use crate::el2::drivers::gic::Gic;
use crate::el2::entropy::Streams;
use crate::el2::links::{self, DiskMemory, Links};
use crate::el2::mm::fill::PartitionMemory;
use crate::el2::mm::images::Images;
use crate::el2::monitor::{Monitor, MonitorUart};
use crate::el2::partition::{
    LinkPorts, MonitorDevice, Partition, PartitionParts, RandomNumbers, Totals,
};
use crate::el2::pci;
use crate::el2::vcpu::resident;

/// Everything that the CPUs need to build the partitions.
pub struct Work {
    firmware: FirmwareTree,
    /// The entropy of the machine, if it has any, until every partition has its streams.
    pool: Option<Box<Pool>>,
    /// The hardware.
    pub machine: Machine,
    /// The interrupt controller.
    pub gic: &'static Gic,
    /// The PPIs that guests own.
    ppis: Vec<Intid>,
    /// One job for each partition, in the order of the Plan.
    jobs: Vec<Job>,
    /// For each CPU of the machine that a partition owns, the numbers of the partition and of the
    /// vCPU.
    owners: Vec<Option<(usize, usize)>>,
    /// The places of each partition's vCPUs on their CPUs, in the order of the Plan.
    seats: Vec<&'static [Seat]>,
    /// The partitions' ports at the console, in the order of the Plan.
    ports: &'static [Port],
    /// The monitor, if the description asks for it.
    monitor: Option<&'static Monitor>,
    /// The links, if the description has any.
    links: Option<&'static Links>,
    /// The SMMUs, if a partition has a device behind one.
    pub smmus: Option<&'static Smmus>,
    /// The ITS that takes messages of functions, if one does.
    pub its: Option<ItsWork>,
    /// The SMMUs' part of the Plan.
    smmu_plans: Vec<SmmuPlan>,
    /// For each partition the root of its tables for devices, if it has some.
    dma_roots: Vec<Option<Pa>>,
    /// The index of the CPU that does the work of the console and of the monitor, if it has one.
    pub console_cpu: Option<usize>,
    /// The memory of the partitions' images.
    pub images: &'static Images,
    /// The totals that the partitions share.
    totals: Totals,
    /// The partitions, once all are built.
    partitions: SetOnce<Vec<Partition>>,
    /// The barrier of all CPUs that take part in booting.
    pub barrier: SetOnce<Barrier>,
}

/// The work of building one partition: its first CPU builds it, and its others help to copy its
/// contents.
struct Job {
    /// The partition's resources, until its first CPU takes them.
    plan: Mutex<Option<(PartitionPlan, TableMemory)>>,
    /// The contents to copy, once they are known.
    load: SetOnce<Load>,
    /// The result, until the boot CPU takes it.
    built: Mutex<Option<BuildResult>>,
}

/// A partition and remarks about it of one line each, or the reason for a refusal.
type BuildResult = Result<(Partition, Vec<String>), PlanError>;

impl Work {
    /// Returns the work of building the partitions of a Plan.
    pub fn new(
        firmware: FirmwareTree,
        machine: Machine,
        mut plan: Plan,
        gic: &'static Gic,
        pool: Option<Box<Pool>>,
    ) -> &'static Self {
        let seats: Vec<_> = plan.partitions.iter().map(seats).collect();
        let ports = console::add_partitions(&plan.partitions, &seats);
        let count = plan.partitions.len();
        let monitor = plan.uses_monitor().then(|| &*Box::leak(Box::new(Monitor::new(count))));
        if let Some(monitor) = monitor.filter(|_| plan.console_monitor) {
            crate::el2::console::set_monitor(monitor);
        }
        let has_links = !plan.links.is_empty() || !plan.shared_memory.is_empty();
        let links = has_links.then(|| Links::new(&plan, gic));
        let ppis = (0..16).filter_map(Intid::ppi).filter(|ppi| !is_own(&machine, *ppi)).collect();
        let (tables, images) = stage2::divide(&mut plan);
        let images = &*Box::leak(Box::new(images));
        let dma_roots: Vec<_> = tables.iter().map(TableMemory::dma_root).collect();
        let its = its::set_up(&machine, &plan);
        let taking = its.as_ref().map(|work| work.its);
        let smmus = smmu::set_up(&machine, &plan, &dma_roots, gic, taking);
        let mut owners = vec![None; machine.cpus.len()];
        for (partition, plan) in plan.partitions.iter().enumerate() {
            for (vcpu, cpu) in plan.cpus.iter().enumerate() {
                owners[*cpu] = Some((partition, vcpu));
            }
        }
        let job = |(plan, tables): (PartitionPlan, TableMemory)| Job {
            plan: Mutex::new(Some((plan, tables))),
            load: SetOnce::new(),
            built: Mutex::new(None),
        };
        let jobs = plan.partitions.into_iter().zip(tables).map(job).collect();
        let (totals, partitions) = (Totals::new(count), SetOnce::new());
        let barrier = SetOnce::new();
        Box::leak(Box::new(Self {
            firmware,
            pool,
            machine,
            gic,
            ppis,
            jobs,
            owners,
            seats,
            ports,
            monitor,
            links,
            smmus,
            its,
            smmu_plans: plan.smmus,
            dma_roots,
            console_cpu: plan.console_cpu,
            images,
            totals,
            partitions,
            barrier,
        }))
    }

    /// Returns whether a partition owns the CPU with this index.
    pub fn is_owned(&self, cpu: usize) -> bool {
        self.owners[cpu].is_some()
    }

    /// Returns whether the CPU with this index is the one whose timer makes a GICv2 of QEMU evaluate
    /// its state: the console's CPU, otherwise the first CPU of the first partition.
    pub fn updates_gic(&self, cpu: usize) -> bool {
        self.console_cpu.map_or(self.owners[cpu] == Some((0, 0)), |console| console == cpu)
    }

    /// Does the part of this CPU, whose index is `cpu`, in building the partition that owns it.
    pub fn take_part(&'static self, cpu: usize) {
        let Some((index, vcpu)) = self.owners[cpu] else { return };
        let job = &self.jobs[index];
        if vcpu > 0 {
            return job.help();
        }
        let parts = job.plan.lock().take();
        let (plan, tables) = parts.expect("only this CPU takes the plan, and it does so once");
        let built = self.build(index, job, plan, tables);
        *job.built.lock() = Some(built);
    }

    /// Builds a partition, whose guest can then be started.
    fn build(
        &'static self,
        index: usize,
        job: &Job,
        plan: PartitionPlan,
        tables: TableMemory,
    ) -> BuildResult {
        let built = stage2::build(&plan, tables);
        let (stage2, window, disks) = built.expect("the Plan has checked the mappings");
        let memory = PartitionMemory::new(plan.memory, window, self.images);
        let GuestTree { bytes: tree, seeds, remarks } =
            guest_tree::build(&plan, &self.machine, &self.firmware.tree)?;
        let load = job.load.set(Load::new(&plan, memory, self.images, &tree));
        load.take_part();
        let mut random = None;
        load.finish(|| {
            if let Some(pool) = &self.pool {
                let mut streams = Box::new(Streams::new(&plan, &seeds));
                // SAFETY: the tree is in the memory, all of its contents are copied, and no vCPU
                // runs before the partition is built.
                unsafe { streams.start(pool, plan.vmid, &memory.open()) };
                scrub_stack();
                random = Some(streams as Box<dyn RandomNumbers>);
            }
        });
        let device = plan.device(DeviceKind::MonitorPl011);
        let monitor = self.monitor.zip(device.and_then(|device| device.intid));
        let monitor = monitor.map(|(monitor, intid)| {
            let port = MonitorUart::new(monitor, self.jobs.len(), intid);
            Box::new(port) as Box<dyn MonitorDevice>
        });
        let links = self.virtio_devices(index, &plan, memory, disks);
        let shared = self.links.filter(|_| !plan.shared_memory.is_empty());
        let doorbells = shared.map(|links| links::doorbells(links, &plan));
        let pci = plan.pci.as_ref().map(|bus| {
            let registers = mmu::map_device(bus.configuration);
            let hardware = pci::Ecam::new(registers, bus.configuration, bus.first_bus);
            let messages = plan.messages.map(|messages| messages.spis);
            pci::functions(&plan.name, bus, hardware, messages)
        });
        let partition = Partition::new(PartitionParts {
            plan,
            tree,
            stage2,
            memory,
            port: &self.ports[index],
            random,
            monitor,
            links,
            doorbells,
            pci,
            streams: self.smmus.and_then(|smmus| dma::streams(smmus, index)),
            supervisor: self.monitor.map(|monitor| monitor as _),
            gic: self.gic,
            ppis: &self.ppis,
            virtual_timer: self.machine.timer.virtual_,
            seats: self.seats[index],
            totals: &self.totals,
        });
        Ok((partition, remarks))
    }

    /// Returns the virtio devices of the partition with this index, if it has any. `disks` are those of its disks that are
    /// such devices.
    // Not inlined, so that the devices are not on the stack of `build` too.
    #[inline(never)]
    fn virtio_devices(
        &self,
        index: usize,
        plan: &PartitionPlan,
        memory: PartitionMemory,
        disks: Vec<DiskMemory>,
    ) -> Option<Box<dyn LinkPorts>> {
        plan.device(DeviceKind::Virtio)?;
        Some(links::devices(self.links, plan, memory, disks, &self.ports[index], self.gic))
    }

    /// Waits until every partition is built, wipes the entropy that is used up, prints the remarks,
    /// and returns the partitions. Called once, on the boot CPU.
    pub fn finish(&'static self) -> &'static [Partition] {
        let finish = |job: &Job| {
            let built = loop {
                if let Some(built) = job.built.lock().take() {
                    break built;
                }
                sync::relax();
            };
            let (partition, remarks) =
                built.unwrap_or_else(|reason| refuse(format_args!("{reason}")));
            for remark in remarks {
                info!("{}: {remark}", partition.name());
            }
            partition
        };
        let partitions = self.partitions.set(self.jobs.iter().map(finish).collect());
        if let Some(pool) = &self.pool {
            pool.wipe();
            // SAFETY: `build`, which has returned on every partition's first CPU, is the only code
            // that reads the tree after `Work::new`; the boot CPU alone calls `finish`.
            unsafe { entropy::wipe_seeds(&self.firmware) };
        }
        if let Some(monitor) = self.monitor {
            monitor.set_partitions(partitions);
        }
        if let Some(links) = self.links {
            links.set_partitions(partitions);
        }
        if let (Some(monitor), Some(links)) = (self.monitor, self.links) {
            monitor.set_links(links);
        }
        if let Some(smmus) = self.smmus {
            smmus.partitions.set(partitions);
        }
        mmu::unmap_memory(self.images.regions());
        for PartitionPlan { disks, shared_memory, .. } in partitions.iter().map(|it| &it.plan) {
            let disks = disks.iter().filter_map(PlannedDisk::own_memory);
            let shared = shared_memory.iter().filter_map(SharedMemoryPort::own_memory);
            disks.chain(shared).for_each(|memory| mmu::unmap_memory(&[memory]));
        }
        partitions
    }

    /// Audits what devices behind SMMUs reach, and enables these, with all streams closed, and the ITS
    /// that takes their messages. Each
    /// SMMU's interrupts are taken by the console's CPU, if it has one, or else by the first CPU of
    /// the partition that has the first of its streams. `tables` is the memory of the tables.
    pub fn enable_smmus(&self, tables: Region<Pa>) {
        let Some(smmus) = self.smmus else { return };
        let plans = self.partitions.iter().map(|partition| &partition.plan);
        let roots: Vec<_> = plans.clone().zip(self.dma_roots.iter().copied()).collect();
        smmu::audit(&self.machine, smmus, &self.smmu_plans, &roots, tables);
        if let Some(its) = &self.its {
            its.go_live(self.gic, &self.partitions);
        }
        let cpu_of = |partition: usize| self.partitions[partition].plan.cpus[0];
        // One that functions can raise by messages costs no time but their own partition's.
        let raises = |partition: &Partition, intid| {
            partition.plan.messages.is_some_and(|it| it.can_raise(&self.machine, intid))
        };
        smmu::go_live(&self.machine, smmus, |intid, first| {
            match self.partitions.iter().position(|it| raises(it, intid)) {
                Some(partition) => cpu_of(partition),
                None => self.console_cpu.unwrap_or_else(|| cpu_of(first)),
            }
        });
    }

    /// Returns the partition that owns the CPU with this index, and the number of the CPU's vCPU.
    /// All partitions must be built.
    pub fn owner_of(&'static self, cpu: usize) -> Option<(&'static Partition, usize)> {
        self.owners[cpu].map(|(partition, vcpu)| (&self.partitions[partition], vcpu))
    }
}

impl Job {
    /// Copies a part of the contents as soon as they are known. Returns without copying if the
    /// partition is built before, or its building has failed.
    fn help(&self) {
        while self.built.lock().is_none() {
            if let Some(load) = self.load.get() {
                // A walk that began before the first CPU mapped a source may report a fault without
                // FEAT_ETS2 (Arm ARM, "Ordering of memory accesses from translation table walks").
                barrier::dsb(barrier::ISH);
                barrier::isb(barrier::SY);
                return load.take_part();
            }
            sync::relax();
        }
    }
}

/// Returns the places of a partition's vCPUs on their CPUs.
fn seats(plan: &PartitionPlan) -> &'static [Seat] {
    let seat = |cpu: &usize| Seat::new(&resident::all()[*cpu].cpu);
    Vec::leak(plan.cpus.iter().map(seat).collect())
}

/// Returns whether a PPI is one of Bulkhead's own. Guests own all others.
fn is_own(machine: &Machine, ppi: Intid) -> bool {
    ppi == machine.gic.maintenance() || ppi == machine.timer.hypervisor
}
