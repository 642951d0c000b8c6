//! A partition while it runs: what its vCPUs share, and how they start.

mod lifecycle;

use alloc::vec;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Ipa, Pa};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::planned::{DeviceKind, MAX_DEVICES, TrappedRegisters};
use bulkhead::operator::console::Buffer;
use bulkhead::partition::lifecycle::{Life, Stage};
use bulkhead::smccc::psci::Psci;
use bulkhead::trap::fault::Fault;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::vgic::{Config, CpuMask, Version, Vgic};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use spin::Once;

use super::arch::sync::Mutex;
use super::console::{self, say};
use super::cpu::{self, timer};
use super::drivers::gic::{self, Gic, ThisCpu};
use super::monitor::Port;
use super::vcpu::Vcpu;
use super::vcpu::devices::Guard;
use super::vcpu::rebuild::Rebuild;
use super::vcpu::recall::RecallSlot;

/// Lines about a guest's faults: this many at once, then one in each such time.
const FAULT_LINES: u32 = 8;
const FAULT_LINE_MS: u64 = 1000;

/// A partition.
pub struct Partition {
    /// What it owns.
    pub plan: PartitionPlan,
    /// Its place in the Plan, by which the console knows it.
    pub index: usize,
    /// The registers of its emulated devices.
    trapped: [TrappedRegisters; MAX_DEVICES],
    /// The INTID of its UART.
    pub uart_intid: Option<Intid>,
    /// The root of its stage 2.
    pub stage2: Pa,
    /// Its device tree, from which its memory gets a copy each time it is built.
    pub tree: Vec<u8>,
    /// What its vCPUs share. Taken before the console's lock, never after it.
    pub state: Mutex<State>,
    /// For each vCPU, whether another one needs its list registers emptied.
    pub recalls: Vec<RecallSlot>,
    /// Held by the vCPU that has others empty their list registers.
    pub recalling: Mutex<()>,
    /// The work of building it again.
    pub rebuild: Rebuild,
    /// The physical counter when it started, which its virtual counter counts from.
    started: AtomicU64,
    /// Where its UART's output goes.
    pub output: &'static Buffer,
    /// Whether output waits for room in the console.
    pub output_waits: AtomicBool,
    /// The monitor, if it may have that. Its lock is taken before any partition's state.
    pub monitor: Option<Mutex<Port>>,
}

/// What a partition's lock guards.
pub struct State {
    /// Its interrupt controller.
    pub vgic: Vgic,
    /// The power states of its vCPUs.
    pub psci: Psci,
    /// Its UART.
    pub uart: Pl011,
    /// Its watchdog, if it has one and was started.
    pub watchdog: Option<Guard>,
    /// Where each vCPU that was told to start is to begin.
    pub starts: Vec<Option<Start>>,
    /// The vCPUs that run guest code.
    inside: CpuMask,
    /// Whether it ended for good, unless somebody starts it.
    is_over: bool,
    /// Where it is in its life.
    pub life: Life,
    /// What it did last that it must not do.
    pub last_fault: Option<Fault>,
    /// How many exceptions it was given for what it did since it was built.
    pub injections: u64,
    /// How many lines about them may still be printed.
    pub fault_lines: RateLimit,
}

/// What boot has made for a partition.
pub struct Built {
    /// What it owns.
    pub plan: PartitionPlan,
    /// Its device tree.
    pub tree: Vec<u8>,
    /// The root of its stage 2.
    pub stage2: Pa,
}

/// A partition's place among all of them.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its index in the Plan.
    pub index: usize,
    /// How many partitions there are.
    pub partitions: usize,
}

/// Where a vCPU begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Its first instruction.
    pub entry: Ipa,
    /// Its x0.
    pub context: u64,
}

impl State {
    /// Whether a vCPU is in its guest and has no business there any more.
    pub fn must_leave(&self, vcpu: usize) -> bool {
        self.life.stage() == Stage::Stopping && self.inside.contains(vcpu)
    }

    /// Whether nobody runs guest code or is about to.
    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.starts.iter().all(Option::is_none)
    }
}

/// All partitions, in the order of the Plan.
static ALL: Once<Vec<Partition>> = Once::new();
/// Partitions that have not ended for good.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Keeps the partitions, for good.
pub fn install(partitions: Vec<Partition>) -> &'static [Partition] {
    ALIVE.store(partitions.len(), Ordering::Release);
    ALL.call_once(|| partitions)
}

/// All partitions, once they are installed.
#[inline(never)]
pub fn all() -> &'static [Partition] {
    ALL.get().map_or(&[], Vec::as_slice)
}

impl Partition {
    /// A partition whose stage 2 is built, whose images and `tree` are in its memory, and whose
    /// vCPUs are off.
    pub fn new(built: Built, place: Place, gic: &Gic, ppis: &[Intid]) -> Self {
        let Built { plan, tree, stage2 } = built;
        let Place { index, partitions } = place;
        let vcpus = plan.cpus.len();
        let intid = |kind| plan.device(kind).and_then(|device| device.intid);
        let monitor = intid(DeviceKind::MonitorPl011);
        let monitor = monitor.map(|intid| Mutex::new(Port::new(partitions, intid)));
        let state = State {
            vgic: new_vgic(&plan, gic, ppis),
            psci: Psci::new(vcpus, plan.memory.guest),
            uart: Pl011::default(),
            watchdog: None,
            starts: vec![None; vcpus],
            inside: CpuMask::EMPTY,
            is_over: false,
            life: Life::new(plan.policy),
            last_fault: None,
            injections: 0,
            fault_lines: fault_lines(),
        };
        Self {
            index,
            trapped: TrappedRegisters::array(&plan.devices),
            uart_intid: intid(DeviceKind::Pl011),
            stage2,
            tree,
            state: Mutex::new(state),
            recalls: plan.cpus.iter().map(|_| RecallSlot::default()).collect(),
            recalling: Mutex::new(()),
            rebuild: Rebuild::new(vcpus),
            started: AtomicU64::new(0),
            output: console::buffer(index),
            output_waits: AtomicBool::new(false),
            monitor,
            plan,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Returns the emulated device whose trapped registers `ipa` lies in, and the offset from the
    /// first of them.
    #[inline(always)]
    pub fn emulated_device(&self, ipa: Ipa) -> Option<(DeviceKind, u64)> {
        self.trapped.iter().find_map(|trapped| {
            let offset = ipa.get().wrapping_sub(trapped.region.start().get());
            (offset < trapped.region.size()).then_some((trapped.kind, offset))
        })
    }

    /// The counter's value when it started.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Starts its first vCPU, as the arm64 boot protocol has it, once it is built.
    pub fn boot(&self) {
        self.started.store(timer::now(), Ordering::Release);
        let mut state = self.state.lock();
        state.watchdog = Guard::new(&self.plan);
        let starts = state.life.built();
        drop(state);
        if starts {
            self.start(0, self.plan.kernel.load.start(), self.plan.tree.start().get());
        } else {
            say!("{self}: is built, and waits to be started");
        }
    }

    /// Has a vCPU that is off begin at `entry`, unless the partition is ending.
    pub fn start(&self, vcpu: usize, entry: Ipa, context: u64) {
        let mut state = self.state.lock();
        if state.life.stage() == Stage::Running {
            state.starts[vcpu] = Some(Start { entry, context });
            drop(state);
            let cpu = self.plan.cpus[vcpu];
            // This CPU looks by itself before it waits.
            if cpu != cpu::current().index() {
                gic::get().ring_doorbell(cpu);
            }
        }
    }

    /// Makes vCPUs leave their guests and look at what has changed.
    pub fn kick(&self, vcpus: CpuMask) {
        for vcpu in vcpus {
            gic::get().ring_doorbell(self.plan.cpus[vcpu]);
        }
    }

    /// Takes the order to start a vCPU.
    pub fn take_start(&self, vcpu: usize) -> Option<Start> {
        let mut state = self.state.lock();
        let start = state.starts[vcpu].take()?;
        state.inside |= CpuMask::one(vcpu);
        state.psci.started(vcpu);
        Some(start)
    }

    /// Makes what its vCPUs share as new, on vCPU 0, while none of them runs guest code.
    pub fn reset(&self, vcpu: &Vcpu) {
        let mut state = self.state.lock();
        state.vgic.reset(&mut ThisCpu(vcpu));
        state.psci.reset();
        state.uart = Pl011::default();
        (state.injections, state.fault_lines) = (0, fault_lines());
        self.output_waits.store(false, Ordering::Release);
        drop(state);
        if let Some(port) = &self.monitor {
            port.lock().reset();
        }
    }
}

/// A partition is told by its name.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn fault_lines() -> RateLimit {
    RateLimit::new(timer::milliseconds(FAULT_LINE_MS), FAULT_LINES)
}

fn new_vgic(plan: &PartitionPlan, gic: &Gic, ppis: &[Intid]) -> Vgic {
    let spis = plan.interrupts.iter().map(|interrupt| interrupt.intid);
    let software: Vec<_> = plan.devices.iter().filter_map(|device| device.intid).collect();
    let hardware: Vec<_> = ppis.iter().copied().chain(spis).collect();
    let last = hardware.iter().chain(&software).max();
    Vgic::new(&Config {
        version: match gic {
            Gic::V2(_) => Version::V2,
            Gic::V3(_) => Version::V3,
        },
        delivery: plan.delivery,
        vcpus: plan.cpus.len(),
        // A guest goes through all that there are: no more than its own, in steps of 32.
        it_lines_number: last.map_or(0, |last| last.get() / 32).min(gic.it_lines_number()),
        hardware: &hardware,
        software: &software,
    })
}
