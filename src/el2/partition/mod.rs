//! A partition while it runs: what its vCPUs share, and how they start.

mod devices;
mod lifecycle;
mod rendezvous;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::planned::{DeviceKind, MAX_DEVICES, TrappedRegisters};
use bulkhead::partition::lifecycle::{Lifecycle, Stage};
use bulkhead::smccc::psci::Psci;
use bulkhead::trap::fault::Fault;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::vgic::{Config, CpuMask, Version, Vgic};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use super::arch::sync::Mutex;
use super::console::{Port, say};
use super::cpu::{self, Cpu, START, timer};
use super::drivers::gic::{Gic, ThisCpu};
use super::mm::stage2::Stage2;

pub use devices::EmulatedDevice;
pub use lifecycle::Totals;
pub use rendezvous::{Rebuild, RecallSlot};

/// The number of lines about a guest's faults that are printed at once; further ones are printed one
/// in each `FAULT_LINE_MS`.
const FAULT_LINES: u32 = 8;
const FAULT_LINE_MS: u64 = 1000;

/// A partition.
pub struct Partition {
    /// The resources that it owns.
    pub plan: PartitionPlan,
    /// The registers of its emulated devices.
    trapped: [TrappedRegisters; MAX_DEVICES],
    /// The interrupt of its PL011.
    pub uart_intid: Option<Intid>,
    /// Its stage 2.
    pub stage2: Stage2,
    /// Its device tree, which is copied into its memory each time it is built.
    pub tree: Vec<u8>,
    /// The state that its vCPUs share. This lock is taken before the console's, never after it.
    pub state: Mutex<PartitionState>,
    /// For each vCPU, whether another one needs its list registers recalled.
    pub recalls: Vec<RecallSlot>,
    /// Held by the vCPU that recalls the list registers of others.
    pub recalling: Mutex<()>,
    /// The progress of building it again.
    pub rebuild: Rebuild,
    /// The physical counter at its start, from which its virtual counter counts.
    started: AtomicU64,
    /// The console's end of its PL011.
    pub port: &'static Port,
    /// Its PL011 with the monitor, if it has one. The lock inside is taken before any partition's.
    pub monitor: Option<Box<dyn MonitorDevice>>,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The physical CPU of each vCPU.
    cpus: Vec<&'static Cpu>,
    /// The number of partitions that run, of all of them.
    totals: &'static Totals,
}

/// A PL011 with the monitor at its other end. The partition knows no more of it than this, because
/// the monitor's code is unmapped unless the description asks for it.
pub trait MonitorDevice: Send + Sync {
    /// Carries out a store of a value, or a load, and returns the value loaded. Calls `notify` with its
    /// interrupt and the level of the line, if the vGIC must be notified.
    fn access(&self, offset: u64, stored: Option<u64>, notify: &mut dyn FnMut(Intid, bool)) -> u64;

    /// Resets it.
    fn reset(&self);
}

/// The state that a partition's lock guards.
pub struct PartitionState {
    /// Its interrupt controller.
    pub vgic: Vgic,
    /// The power states of its vCPUs.
    pub psci: Psci,
    /// Its PL011.
    pub uart: Pl011,
    /// Its other emulated devices.
    pub devices: Vec<EmulatedDevice>,
    /// For each vCPU that is to start, where.
    starts: Vec<Option<VcpuStart>>,
    /// The vCPUs that run guest code.
    inside: CpuMask,
    /// Whether it has stopped for good, unless it is started from the monitor.
    has_stopped: bool,
    /// Its lifecycle.
    pub life: Lifecycle,
    /// Its last fault.
    pub last_fault: Option<Fault>,
    /// The number of exceptions injected for its faults since it was built.
    pub injections: u64,
    /// Limits the lines that are printed about them.
    pub fault_lines: RateLimit,
}

/// The parts of a partition that boot makes.
pub struct PartitionParts {
    /// The resources that it owns.
    pub plan: PartitionPlan,
    /// Its device tree.
    pub tree: Vec<u8>,
    /// Its stage 2.
    pub stage2: Stage2,
    /// The console's end of its PL011.
    pub port: &'static Port,
    /// Its PL011 with the monitor.
    pub monitor: Option<Box<dyn MonitorDevice>>,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The private interrupts that guests have.
    pub ppis: &'static [Intid],
    /// The physical CPU of each vCPU.
    pub cpus: Vec<&'static Cpu>,
    /// The number of partitions that run.
    pub totals: &'static Totals,
}

/// Where a vCPU starts.
#[derive(Clone, Copy, Debug)]
pub struct VcpuStart {
    /// The address of its first instruction.
    pub entry: Ipa,
    /// Its x0.
    pub context: u64,
}

impl PartitionState {
    /// Whether a vCPU runs guest code of a partition that is stopping.
    pub fn must_leave(&self, vcpu: usize) -> bool {
        self.life.stage() == Stage::Stopping && self.inside.contains(vcpu)
    }

    /// Whether no vCPU runs guest code or is about to.
    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.starts.iter().all(Option::is_none)
    }
}

impl Partition {
    /// Returns a partition whose stage 2 is built, whose images and `tree` are in its memory, and
    /// whose vCPUs are off.
    #[inline(always)]
    pub fn new(parts: PartitionParts) -> Self {
        let PartitionParts { plan, tree, stage2, port, monitor, gic, ppis, cpus, totals } = parts;
        let vcpus = plan.cpus.len();
        let state = PartitionState {
            vgic: new_vgic(&plan, gic, ppis),
            psci: Psci::new(vcpus, plan.memory.guest),
            uart: Pl011::default(),
            devices: EmulatedDevice::all(&plan),
            starts: vec![None; vcpus],
            inside: CpuMask::EMPTY,
            has_stopped: false,
            life: Lifecycle::new(plan.policy),
            last_fault: None,
            injections: 0,
            fault_lines: fault_lines(),
        };
        Self {
            trapped: TrappedRegisters::array(&plan.devices),
            uart_intid: plan.device(DeviceKind::Pl011).and_then(|device| device.intid),
            stage2,
            tree,
            state: Mutex::new(state),
            recalls: plan.cpus.iter().map(|_| RecallSlot::default()).collect(),
            recalling: Mutex::new(()),
            rebuild: Rebuild::new(vcpus),
            started: AtomicU64::new(0),
            port,
            monitor,
            gic,
            cpus,
            totals,
            plan,
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Returns the emulated device whose trapped registers `ipa` is in, and the offset from the first of
    /// them.
    #[inline(always)]
    pub fn emulated_device(&self, ipa: Ipa) -> Option<(DeviceKind, u64)> {
        self.trapped.iter().find_map(|trapped| {
            let offset = ipa.get().wrapping_sub(trapped.region.start().get());
            (offset < trapped.region.size()).then_some((trapped.kind, offset))
        })
    }

    /// Returns the physical counter's value at its start.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Starts vCPU 0 by the arm64 boot protocol, once the partition is built.
    pub fn boot(&self) {
        self.started.store(timer::now(), Ordering::Release);
        let mut state = self.state.lock();
        state.devices.iter_mut().for_each(EmulatedDevice::reset);
        let starts = state.life.built();
        drop(state);
        if starts {
            self.start(0, self.plan.kernel.load.start(), self.plan.tree.start().get());
        } else {
            say!("{self}: is built, and waits to be started");
        }
    }

    /// Has a vCPU that is off start at `entry`, unless the partition is stopping.
    pub fn start(&self, vcpu: usize, entry: Ipa, context: u64) {
        let mut state = self.state.lock();
        if state.life.stage() == Stage::Running {
            state.starts[vcpu] = Some(VcpuStart { entry, context });
            drop(state);
            let cpu = self.cpus[vcpu];
            cpu.wake.request(START);
            // The run loop of this CPU takes the request before it waits.
            if cpu.index() != cpu::current().index() {
                self.gic.kick(cpu.index());
            }
        }
    }

    /// Kicks the CPUs of these vCPUs.
    pub fn kick(&self, vcpus: CpuMask) {
        for vcpu in vcpus {
            self.gic.kick(self.plan.cpus[vcpu]);
        }
    }

    /// Takes the request to start a vCPU.
    pub fn take_start(&self, vcpu: usize) -> Option<VcpuStart> {
        let mut state = self.state.lock();
        let start = state.starts[vcpu].take()?;
        state.inside |= CpuMask::one(vcpu);
        state.psci.started(vcpu);
        Some(start)
    }

    /// Resets the state that its vCPUs share, on vCPU 0, while none of them runs guest code.
    pub fn reset(&self, hardware: &mut ThisCpu<'_>) {
        let mut state = self.state.lock();
        state.vgic.reset(hardware);
        state.psci.reset();
        state.uart = Pl011::default();
        (state.injections, state.fault_lines) = (0, fault_lines());
        self.port.reset();
        drop(state);
        if let Some(monitor) = &self.monitor {
            monitor.reset();
        }
    }
}

/// Prints the partition's name.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn fault_lines() -> RateLimit {
    RateLimit::new(timer::milliseconds(FAULT_LINE_MS), FAULT_LINES)
}

#[inline(always)]
fn new_vgic(plan: &PartitionPlan, gic: &Gic, ppis: &[Intid]) -> Vgic {
    let spis = plan.interrupts.iter().map(|interrupt| interrupt.intid);
    let virtual_only: Vec<_> = plan.devices.iter().filter_map(|device| device.intid).collect();
    let hardware: Vec<_> = ppis.iter().copied().chain(spis).collect();
    let last = hardware.iter().chain(&virtual_only).max();
    Vgic::new(&Config {
        version: match gic {
            Gic::V2(_) => Version::V2,
            Gic::V3(_) => Version::V3,
        },
        delivery: plan.delivery,
        vcpus: plan.cpus.len(),
        // A guest walks all INTIDs that it is shown: no more than it has, in steps of 32.
        it_lines_number: last.map_or(0, |last| last.get() / 32).min(gic.it_lines_number()),
        hardware: &hardware,
        virtual_only: &virtual_only,
    })
}
