//! A partition while it runs: what its vCPUs share, and how it ends.

use alloc::vec;
use alloc::vec::Vec;
use bulkhead::addr::{Ipa, Pa};
use bulkhead::intid::Intid;
use bulkhead::machine::Mpidr;
use bulkhead::pl011::Pl011;
use bulkhead::plan::{FrameKind, PartitionPlan};
use bulkhead::psci::Psci;
use bulkhead::rate::RateLimit;
use bulkhead::vgic::{Config, CpuMask, Version, Vgic};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use log::{info, warn};
use spin::{Mutex, Once};

use super::exit::{self, Status};
use super::gic::{self, Gic};
use super::recall::RecallSlot;
use super::{console, timer};

/// Lines about a guest's faults: this many at once, then one in each such time.
const FAULT_LINES: u32 = 8;
const FAULT_LINE_MS: u64 = 1000;

/// A partition.
pub struct Partition {
    /// What it owns.
    pub plan: PartitionPlan,
    /// Its place in the Plan, by which the console knows it.
    pub index: usize,
    /// The root of its stage 2.
    pub stage2: Pa,
    /// What its vCPUs share. Taken before the console's lock, never after it.
    pub state: Mutex<State>,
    /// For each vCPU, whether another one needs its list registers emptied.
    pub recalls: Vec<RecallSlot>,
    /// Held by the vCPU that has others empty their list registers.
    pub recalling: Mutex<()>,
    /// The physical counter when it started, which its virtual counter counts from.
    started: AtomicU64,
    /// Whether output waits for room in the console.
    pub output_waits: AtomicBool,
}

/// What a partition's lock guards.
pub struct State {
    /// Its interrupt controller.
    pub vgic: Vgic,
    /// The power states of its vCPUs.
    pub psci: Psci,
    /// Its UART.
    pub uart: Pl011,
    /// The level of the UART's interrupt that the vGIC was last told.
    pub uart_line: bool,
    /// Where each vCPU that was told to start is to begin.
    pub starts: Vec<Option<Start>>,
    /// The vCPUs that run guest code.
    inside: CpuMask,
    /// Why it is ending, once it is.
    end: Option<End>,
    /// How many exceptions it was given for what it did.
    pub injections: u64,
    /// How many lines about them may still be printed.
    pub fault_lines: RateLimit,
}

/// Where a vCPU begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Its first instruction.
    pub entry: Ipa,
    /// Its x0.
    pub context: u64,
}

/// Why a partition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// PSCI's SYSTEM_OFF.
    Off,
    /// PSCI's SYSTEM_RESET or SYSTEM_RESET2.
    Reset,
    /// Every vCPU has turned itself off.
    AllOff,
    /// An exception of a class that Bulkhead has no answer to.
    UnknownException {
        /// ESR_EL2.EC.
        class: u8,
        /// The guest's instruction.
        pc: u64,
    },
    /// Something that the partition did failed in the memory system, and cannot be undone.
    SError {
        /// ESR_EL2.
        syndrome: u64,
        /// Where the guest was.
        pc: u64,
    },
}

impl End {
    /// Whether the partition did not end by its own will.
    pub fn is_crash(self) -> bool {
        match self {
            Self::Off | Self::Reset | Self::AllOff => false,
            Self::UnknownException { .. } | Self::SError { .. } => true,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "powered off"),
            Self::Reset => write!(f, "asked for a reset; it stays stopped, for want of restart"),
            Self::AllOff => write!(f, "turned off its last CPU"),
            Self::UnknownException { class, pc } => {
                write!(f, "ended by an exception of class {class:#x} at pc {pc:#x}")
            }
            Self::SError { syndrome, pc } => {
                write!(f, "ended by an SError, esr {syndrome:#x}, at pc {pc:#x}")
            }
        }
    }
}

impl State {
    /// Whether a vCPU is in its guest and has no business there any more.
    pub fn must_leave(&self, vcpu: usize) -> bool {
        self.end.is_some() && self.inside.contains(vcpu)
    }
}

/// All partitions, in the order of the Plan.
static ALL: Once<Vec<Partition>> = Once::new();
/// Partitions that have not stopped yet.
static ALIVE: AtomicUsize = AtomicUsize::new(0);
/// Whether a partition was ended by Bulkhead.
static CRASHED: AtomicBool = AtomicBool::new(false);

/// Keeps the partitions, for good.
pub fn install(partitions: Vec<Partition>) -> &'static [Partition] {
    ALIVE.store(partitions.len(), Ordering::Release);
    ALL.call_once(|| partitions)
}

/// All partitions, once they are installed.
pub fn all() -> &'static [Partition] {
    ALL.get().map_or(&[], Vec::as_slice)
}

impl Partition {
    /// A partition whose stage 2 is built and whose vCPUs are off.
    pub fn new(plan: PartitionPlan, index: usize, stage2: Pa, gic: &Gic, ppis: &[Intid]) -> Self {
        let vcpus = plan.cpus.len();
        let state = State {
            vgic: new_vgic(&plan, gic, ppis),
            psci: Psci::new(vcpus, plan.memory.guest),
            uart: Pl011::default(),
            uart_line: false,
            starts: vec![None; vcpus],
            inside: CpuMask::EMPTY,
            end: None,
            injections: 0,
            fault_lines: RateLimit::new(timer::milliseconds(FAULT_LINE_MS), FAULT_LINES),
        };
        Self {
            index,
            stage2,
            state: Mutex::new(state),
            recalls: plan.cpus.iter().map(|_| RecallSlot::default()).collect(),
            recalling: Mutex::new(()),
            started: AtomicU64::new(0),
            output_waits: AtomicBool::new(false),
            plan,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The emulated registers at `ipa`, and where their frame starts.
    pub fn emulated_frame(&self, ipa: Ipa) -> Option<(FrameKind, Ipa)> {
        let frame = self.plan.frames.iter().find(|frame| frame.region.contains(ipa))?;
        Some((frame.kind, frame.region.start()))
    }

    /// The counter's value when it started.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Starts its first vCPU, as the arm64 boot protocol has it.
    pub fn boot(&self) {
        self.started.store(timer::now(), Ordering::Release);
        self.start(0, self.plan.kernel.load.start(), self.plan.tree.start().get());
    }

    /// Has a vCPU that is off begin at `entry`.
    pub fn start(&self, vcpu: usize, entry: Ipa, context: u64) {
        self.state.lock().starts[vcpu] = Some(Start { entry, context });
        gic::get().ring_doorbell(self.plan.cpus[vcpu]);
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

    /// Begins the partition's end, if it has not begun: every vCPU is to leave its guest, and none
    /// starts any more.
    pub fn begin_end(&self, end: End) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.starts.fill(None);
            let others = state.inside;
            drop(state);
            self.kick(others);
        }
    }

    /// Notes that a vCPU runs guest code no more. The last one ends the partition.
    pub fn leave(&self, vcpu: usize) {
        let mut state = self.state.lock();
        state.inside = state.inside.without(vcpu);
        if !state.inside.is_empty() || state.starts.iter().any(Option::is_some) {
            return;
        }
        let end = *state.end.get_or_insert(End::AllOff);
        let injections = state.injections;
        drop(state);
        gic::get().silence(&self.plan.interrupts);
        self.report_end(end, injections);
    }

    fn report_end(&self, end: End, injections: u64) {
        let milliseconds = (timer::now() - self.started()) / timer::milliseconds(1).max(1);
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        let name = self.name();
        if end.is_crash() {
            CRASHED.store(true, Ordering::Release);
            warn!("{name}: {end}, after {seconds}.{rest:03} s");
        } else {
            info!("{name}: {end} after {seconds}.{rest:03} s");
        }
        if injections > 0 {
            info!("{name}: it was given {injections} exceptions for what it must not do");
        }
        if ALIVE.fetch_sub(1, Ordering::AcqRel) == 1 {
            finish();
        }
    }
}

/// The end of the machine, once the last partition has stopped.
fn finish() -> ! {
    let crashed = CRASHED.load(Ordering::Acquire);
    info!("every partition has stopped; the machine powers off");
    console::flush();
    exit::exit(if crashed { Status::Crashed } else { Status::Success })
}

fn new_vgic(plan: &PartitionPlan, gic: &Gic, ppis: &[Intid]) -> Vgic {
    let affinities: Vec<_> = (0..plan.cpus.len()).map(Mpidr::of_vcpu).collect();
    let spis = plan.interrupts.iter().map(|interrupt| interrupt.intid);
    let watchdog = plan.watchdog.map(|watchdog| watchdog.interrupt);
    let emulated = [Some(plan.console_interrupt), plan.monitor_interrupt, watchdog];
    let software: Vec<_> = emulated.into_iter().flatten().collect();
    let hardware: Vec<_> = ppis.iter().copied().chain(spis).collect();
    Vgic::new(&Config {
        version: match gic {
            Gic::V2(_) => Version::V2,
            Gic::V3(_) => Version::V3,
        },
        affinities: &affinities,
        it_lines_number: gic.it_lines_number(),
        hardware: &hardware,
        software: &software,
    })
}
