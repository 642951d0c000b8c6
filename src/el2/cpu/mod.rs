//! The state of each physical CPU.

mod seat;
pub mod timer;

use aarch64_cpu::registers::{MPIDR_EL1, Readable, TPIDR_EL2};
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::smccc::Workaround;
use bulkhead::trap::stats::CopiedBytes;
use bulkhead::util::deadlines::Deadlines;
use bulkhead::util::wake::Wake;
use core::mem::offset_of;
use core::ptr::{from_ref, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

pub use seat::Seat;

/// The state of a physical CPU, to which its TPIDR_EL2 points.
#[repr(C)]
pub struct Cpu {
    /// The top of its stack. The vectors use it after an exception from EL2, when SP_EL2 may be
    /// invalid.
    stack_top: AtomicU64,
    /// The identifier of SMCCC_ARCH_WORKAROUND_1 if firmware offers it on this CPU. Otherwise
    /// `u64::MAX`, which never equals a zero-extended w0. The vectors read it.
    workaround: AtomicU64,
    /// EL2's stack pointer while a guest runs, from which `leave_guest` returns to the run loop.
    guest_stack: AtomicU64,
    /// Its index in the machine's list of CPUs.
    index: AtomicUsize,
    /// The affinity fields of its MPIDR_EL1.
    mpidr: AtomicU64,
    /// The frequency of the counter in Hz, once boot has found it. CNTFRQ_EL0 may be unset.
    frequency: AtomicU64,
    /// Whether it is at EL2 with its MMU on.
    is_up: AtomicBool,
    /// Whether it has left boot's code, and never returns to it.
    is_settled: AtomicBool,
    /// The index in the Plan of the partition that owns it, plus 1; 0 if none does.
    owner: AtomicUsize,
    /// The place of the vCPU that has this CPU; null if none does.
    seat: AtomicPtr<Seat>,
    /// The deadlines of its EL2 timer.
    pub deadlines: Deadlines,
    /// The requests to it, whichever vCPU has it: [`CONSOLE`].
    pub wake: Wake,
    /// What it has copied for links of the partition that owns it.
    pub copied: CopiedBytes,
}

/// The request to take part in building the partition again.
pub const REBUILD: u32 = 1 << 0;
/// The request to run the guest of a vCPU that is to start.
pub const START: u32 = 1 << 1;
/// The request to do the console's work.
pub const CONSOLE: u32 = 1 << 2;
/// The request to carry out an order about the partition.
pub const ORDER: u32 = 1 << 3;
/// The request to continue with the monitor's work for the partition.
pub const MONITOR: u32 = 1 << 4;
/// The request to continue with the work of the partition's links.
pub const LINKS: u32 = 1 << 5;

/// The offset of `stack_top` in [`Cpu`], for assembly.
pub const STACK_TOP: usize = offset_of!(Cpu, stack_top);
/// The offset of `workaround` in [`Cpu`], for assembly.
pub const WORKAROUND: usize = offset_of!(Cpu, workaround);
/// The offset of `guest_stack` in [`Cpu`], for assembly.
pub const GUEST_STACK: usize = offset_of!(Cpu, guest_stack);

impl Cpu {
    /// Returns the state of a CPU that has not been started.
    pub const fn new() -> Self {
        Self {
            stack_top: AtomicU64::new(0),
            workaround: AtomicU64::new(u64::MAX),
            guest_stack: AtomicU64::new(0),
            index: AtomicUsize::new(0),
            mpidr: AtomicU64::new(0),
            frequency: AtomicU64::new(0),
            is_up: AtomicBool::new(false),
            is_settled: AtomicBool::new(false),
            owner: AtomicUsize::new(0),
            seat: AtomicPtr::new(null_mut()),
            deadlines: Deadlines::none(),
            wake: Wake::new(),
            copied: CopiedBytes::new(),
        }
    }

    /// Returns its index in the machine's list of CPUs.
    pub fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    /// Returns its affinity, once it is up.
    pub fn mpidr(&self) -> Mpidr {
        Mpidr::new(self.mpidr.load(Ordering::Relaxed))
    }

    /// Sets the index in the Plan of the partition that owns it.
    pub fn set_partition(&self, partition: usize) {
        self.owner.store(partition + 1, Ordering::Relaxed);
    }

    /// Returns the index in the Plan of the partition that owns it, if one does.
    pub fn partition(&self) -> Option<usize> {
        self.owner.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Sets the place of the vCPU that has this CPU.
    pub fn set_seat(&self, seat: &'static Seat) {
        self.seat.store(from_ref(seat).cast_mut(), Ordering::Relaxed);
    }

    /// Returns the place of the vCPU that has this CPU, if one does.
    pub fn seat(&self) -> Option<&'static Seat> {
        // SAFETY: the pointer is null or that of a `&'static Seat`: only `set_seat` stores it.
        unsafe { self.seat.load(Ordering::Relaxed).as_ref() }
    }

    /// Sets the frequency of the counter, in Hz.
    pub fn set_frequency(&self, frequency: u64) {
        self.frequency.store(frequency, Ordering::Relaxed);
    }

    /// Sets the top of its stack.
    pub fn set_stack_top(&self, stack_top: u64) {
        self.stack_top.store(stack_top, Ordering::Release);
    }

    /// Makes the vectors forward the guest's calls of this workaround to firmware.
    pub fn forward(&self, workaround: Workaround) {
        self.workaround.store(u64::from(workaround.id()), Ordering::Relaxed);
    }

    /// Records that this CPU is at EL2 with its MMU on, and its index.
    pub fn set_up(&self, index: usize) {
        self.index.store(index, Ordering::Relaxed);
        self.mpidr.store(current_mpidr().get(), Ordering::Relaxed);
        self.is_up.store(true, Ordering::Release);
    }

    /// Returns whether it is at EL2 with its MMU on.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Records that it has left boot's code.
    pub fn settle(&self) {
        self.is_settled.store(true, Ordering::Release);
    }

    /// Returns whether it has left boot's code.
    pub fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }
}

/// Returns the state of this CPU.
pub fn current() -> &'static Cpu {
    // SAFETY: `vcpu::resident::enter` points TPIDR_EL2 to an element of a static before any code on
    // this CPU calls `current`; guests cannot write the register, and nothing else does.
    unsafe { &*(TPIDR_EL2.get() as *const Cpu) }
}

/// Returns the affinity of this CPU.
pub fn current_mpidr() -> Mpidr {
    Mpidr::new(MPIDR_EL1.get())
}
