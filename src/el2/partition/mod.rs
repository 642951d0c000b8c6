//! Partitions: the state that a partition's vCPUs share, and how vCPUs start.

mod devices;
mod dma;
mod lifecycle;
mod links;
mod monitor;
mod parts;
mod pci;
mod random;
mod rendezvous;
mod vgic;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::planned::{DeviceKind, MAX_DEVICES, TrappedRegisters};
use bulkhead::operator::console::Buffer;
use bulkhead::operator::snapshot;
use bulkhead::partition::lifecycle::{Lifecycle, Stage};
use bulkhead::partition::orders::OrderSlot;
use bulkhead::smccc::psci::Psci;
use bulkhead::smmu::StreamState;
use bulkhead::trap::fault::Fault;
use bulkhead::util::published::Published;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::vgic::{CpuMask, Vgic};
use core::fmt;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::arch::sync::{self, Mutex};
use super::console::{Port, say};
use super::cpu::{self, START, Seat, timer};
use super::drivers::gic::{Gic, ThisCpu};
use super::mm::fill::PartitionMemory;
use super::mm::stage2::Stage2;

pub use devices::EmulatedDevice;
pub use dma::{Messages, SmmuInterrupts, Streams};
pub use lifecycle::Totals;
pub use links::{
    DeviceHead, DeviceHeads, Doorbells, LinkAccess, LinkPorts, LinkReports, NotifiedQueue,
};
pub use monitor::{MonitorDevice, Supervisor};
pub use parts::PartitionParts;
pub use pci::PciFunctions;
pub use random::RandomNumbers;
pub use rendezvous::{Rebuild, RecallSlot};

/// The number of lines of one kind that a guest may cause in a burst.
const LINES: u32 = 8;
/// The time in which one further such line is allowed, in milliseconds.
const LINE_MS: u64 = 1000;

/// A partition.
pub struct Partition {
    /// The resources that it owns.
    pub plan: PartitionPlan,
    /// The regions of its emulated devices' registers.
    trapped: [TrappedRegisters; MAX_DEVICES],
    /// The INTID of its PL011.
    pub uart_intid: Option<Intid>,
    /// Its stage 2.
    pub stage2: Stage2,
    /// Its device tree, which is copied into its memory whenever it is built.
    pub tree: Vec<u8>,
    /// Its memory, as EL2 accesses it.
    pub memory: PartitionMemory,
    /// The state that its vCPUs share. Only its own CPUs take this lock once guests run.
    pub state: Mutex<PartitionState>,
    /// The part of the state that the monitor shows, which reads it without that lock.
    pub published: Published<{ snapshot::WORDS }>,
    /// The order of the monitor that its CPUs have not carried out.
    pub orders: OrderSlot,
    /// For each vCPU, the request to write its list registers back.
    recalls: Vec<RecallSlot>,
    /// The lock that a vCPU holds while it recalls other vCPUs' list registers.
    pub recalling: Mutex<()>,
    /// The progress of a rebuild.
    pub rebuild: Rebuild,
    /// The physical counter's value at its start, at which its virtual counter is zero.
    started: AtomicU64,
    /// Its port at the console, to which its PL011 is connected.
    pub port: &'static Port,
    /// UARTFR of the console's PL011 while a load of it has no effect, otherwise 0. The vectors
    /// read it without a lock; who holds the lock of `state` and calls the device writes it.
    pub uart_flags: AtomicU32,
    /// The buffer of its output, which is its port's.
    pub output: &'static Buffer,
    /// Its random numbers, if the machine has entropy.
    pub random: Option<Box<dyn RandomNumbers>>,
    /// Its PL011 with the monitor, if it has one, whose lock only its own CPUs take.
    pub monitor: Option<Box<dyn MonitorDevice>>,
    /// Its virtio devices, if it has any.
    pub links: Option<Box<dyn LinkPorts>>,
    /// The doorbells of the memory that it shares, if it shares some.
    pub doorbells: Option<Box<dyn Doorbells>>,
    /// Its PCI Express functions, if it has any.
    pub pci: Option<Box<dyn PciFunctions>>,
    /// The streams of its devices, if any is behind an SMMU.
    pub streams: Option<Box<dyn Streams>>,
    /// The accesses of its devices that an SMMU has refused and recorded, since the machine
    /// started.
    pub dma_faults: AtomicU64,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The monitor, if there is one, which shows and controls the partition.
    supervisor: Option<&'static dyn Supervisor>,
    /// The place of each vCPU on its physical CPU.
    pub seats: &'static [Seat],
    /// The numbers of partitions that decide when and how the machine ends.
    pub totals: &'static Totals,
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
    /// The start of each vCPU that is requested to start.
    starts: Vec<Option<VcpuStart>>,
    /// The vCPUs that run guest code, or are about to.
    inside: CpuMask,
    /// Whether it has stopped and only the monitor can start it.
    pub has_stopped: bool,
    /// Its lifecycle.
    pub life: Lifecycle,
    /// Its last fault.
    pub last_fault: Option<Fault>,
    /// The number of exceptions injected for its faults since it was built.
    pub injections: u64,
    /// The limit of lines that are printed about them. It outlives a restart, which a guest can
    /// cause at will.
    pub fault_lines: RateLimit,
    /// The limit of lines about its restarts.
    restart_lines: RateLimit,
}

/// How a vCPU starts.
#[derive(Clone, Copy, Debug)]
pub struct VcpuStart {
    /// The address of its first instruction.
    pub entry: Ipa,
    /// The value of its x0.
    pub context: u64,
}

impl PartitionState {
    /// Returns whether the partition is stopping and this vCPU runs guest code.
    pub fn must_leave(&self, vcpu: usize) -> bool {
        self.life.stage() == Stage::Stopping && self.inside.contains(vcpu)
    }

    /// Returns whether no vCPU runs guest code or is requested to start.
    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.starts.iter().all(Option::is_none)
    }
}

impl Partition {
    /// Returns a partition whose vCPUs are off. Its stage 2 must be built, and its images and
    /// device tree must be in its memory.
    #[inline(always)]
    pub fn new(parts: PartitionParts) -> Self {
        let PartitionParts {
            plan,
            tree,
            stage2,
            memory,
            port,
            random,
            monitor,
            links,
            doorbells,
            pci,
            streams,
            supervisor,
            gic,
            ppis,
            virtual_timer,
            seats,
            totals,
        } = parts;
        let vcpus = plan.cpus.len();
        let state = PartitionState {
            vgic: vgic::of_plan(&plan, gic, ppis, virtual_timer),
            psci: Psci::new(vcpus, plan.memory.guest),
            uart: Pl011::default(),
            devices: EmulatedDevice::all(&plan),
            starts: vec![None; vcpus],
            inside: CpuMask::EMPTY,
            has_stopped: false,
            life: Lifecycle::new(plan.policy),
            last_fault: None,
            injections: 0,
            fault_lines: line_limit(),
            restart_lines: line_limit(),
        };
        Self {
            trapped: TrappedRegisters::array(&plan.devices),
            uart_intid: plan.device(DeviceKind::Pl011).and_then(|device| device.intid),
            stage2,
            tree,
            memory,
            state: Mutex::new(state),
            published: Published::default(),
            orders: OrderSlot::default(),
            recalls: plan.cpus.iter().map(|_| RecallSlot::default()).collect(),
            recalling: Mutex::new(()),
            rebuild: Rebuild::new(vcpus),
            started: AtomicU64::new(0),
            port,
            uart_flags: AtomicU32::new(0),
            output: port.output(),
            random,
            monitor,
            links,
            doorbells,
            pci,
            streams,
            dma_faults: AtomicU64::new(0),
            supervisor,
            gic,
            seats,
            totals,
            plan,
        }
    }

    /// The offset of [`Partition::uart_flags`] in bytes, for the vectors.
    pub const UART_FLAGS: usize = offset_of!(Self, uart_flags);

    /// Returns the partition's name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Returns the emulated device among whose registers `ipa` is, and the offset from the first of
    /// them.
    #[inline(always)]
    pub fn emulated_device(&self, ipa: Ipa) -> Option<(DeviceKind, u64)> {
        self.trapped.iter().find_map(|trapped| {
            let offset = ipa.get().wrapping_sub(trapped.region.start().get());
            (offset < trapped.region.size()).then_some((trapped.kind, offset))
        })
    }

    /// Publishes the part of the state that the monitor shows, if there is a monitor.
    pub fn publish(&self, state: &PartitionState) {
        if let Some(supervisor) = self.supervisor {
            supervisor.publish(self, state);
        }
    }

    /// Carries out the monitor's order, if there is one. Called on the partition's own CPUs.
    pub fn carry_out_order(&self) {
        if let Some(supervisor) = self.supervisor {
            supervisor.carry_out_order(self);
        }
    }

    /// Returns the physical counter's value at the partition's start.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Starts vCPU 0 by the arm64 boot protocol, after the partition was built. If the lifecycle
    /// says that the partition waits for an order, it does not start. Calls `meanwhile` while
    /// another CPU keeps it from opening its devices' streams.
    pub fn boot(&self, meanwhile: fn()) {
        self.started.store(timer::now(), Ordering::Release);
        let mut state = self.state.lock();
        state.devices.iter_mut().for_each(EmulatedDevice::reset);
        let may_start = state.life.built();
        self.publish(&state);
        drop(state);
        if may_start {
            self.set_streams(StreamState::Open, meanwhile);
            self.start(0, self.plan.kernel.load.start(), self.plan.tree.start().get());
        } else {
            say!("{self}: is built, and waits to be started");
        }
    }

    /// Opens or closes the streams of its devices. Calls `meanwhile` while another CPU is at work
    /// with an SMMU.
    pub fn set_streams(&self, state: StreamState, meanwhile: fn()) {
        if let Some(streams) = &self.streams {
            while !streams.set(state) {
                meanwhile();
                sync::relax();
            }
        }
    }

    /// Requests that a vCPU, which is off, start at `entry`, unless the partition is stopping.
    pub fn start(&self, vcpu: usize, entry: Ipa, context: u64) {
        let mut state = self.state.lock();
        if state.life.stage() == Stage::Running
            && let (Some(start), Some(seat)) = (state.starts.get_mut(vcpu), self.seats.get(vcpu))
        {
            *start = Some(VcpuStart { entry, context });
            drop(state);
            seat.wake.request(START);
            // This CPU's own run loop takes the request before it waits, and needs no kick.
            if seat.cpu.index() != cpu::current().index() {
                seat.kick(self.gic);
            }
        }
    }

    /// Returns the slot for recalls of a vCPU's list registers.
    // One copy for all callers.
    #[inline(never)]
    pub fn recall_slot(&self, vcpu: usize) -> &RecallSlot {
        &self.recalls[vcpu]
    }

    /// Kicks the CPUs of these vCPUs.
    pub fn kick(&self, vcpus: CpuMask) {
        self.gic.kick_all(&self.plan.cpus, vcpus);
    }

    /// Takes the request to start a vCPU, which is then about to run guest code.
    pub fn take_start(&self, vcpu: usize) -> Option<VcpuStart> {
        let mut state = self.state.lock();
        let start = state.starts.get_mut(vcpu)?.take()?;
        state.inside |= CpuMask::one(vcpu);
        state.psci.started(vcpu);
        Some(start)
    }

    /// Resets the state that the vCPUs share. Called on vCPU 0 while no vCPU runs guest code.
    pub fn reset(&self, hardware: &mut ThisCpu<'_>) {
        let mut state = self.state.lock();
        state.vgic.reset(hardware);
        state.psci.reset();
        state.uart = Pl011::default();
        self.uart_flags.store(0, Ordering::Relaxed);
        state.injections = 0;
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

/// Returns a limit of lines of one kind that a guest causes.
pub fn line_limit() -> RateLimit {
    RateLimit::new(timer::milliseconds(LINE_MS), LINES)
}
