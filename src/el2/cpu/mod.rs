//! What Bulkhead keeps for each physical CPU.

use aarch64_cpu::registers::{MPIDR_EL1, Readable, TPIDR_EL2, Writeable};
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::smccc::Workaround;
use bulkhead::util::deadlines::Deadlines;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use spin::Once;

use super::arch::image::{self, MAX_CPUS};
use super::vcpu::Vcpu;

pub mod timer;

/// A physical CPU's own data, found through TPIDR_EL2.
#[repr(C)]
pub struct Cpu {
    /// Top of its stack: the first word, which the vectors read when the stack itself broke.
    stack_top: AtomicU64,
    /// The second word, for the vectors as well: SMCCC_ARCH_WORKAROUND_1's identifier if firmware
    /// offers that here, and else what no w0 is.
    workaround: AtomicU64,
    /// Its index in the machine's list of CPUs.
    index: AtomicUsize,
    /// Its affinity.
    mpidr: AtomicU64,
    /// Whether it is at EL2 with its MMU on.
    up: AtomicBool,
    /// Whether it has left the code that only boot needs.
    settled: AtomicBool,
    /// What EL2's timer on it waits for.
    pub deadlines: Deadlines,
    /// The vCPU that lives on it, if a partition owns it.
    vcpu: Once<Vcpu>,
}

static CPUS: [Cpu; MAX_CPUS] = [const {
    Cpu {
        stack_top: AtomicU64::new(0),
        workaround: AtomicU64::new(u64::MAX),
        index: AtomicUsize::new(0),
        mpidr: AtomicU64::new(0),
        up: AtomicBool::new(false),
        settled: AtomicBool::new(false),
        deadlines: Deadlines::none(),
        vcpu: Once::new(),
    }
}; MAX_CPUS];

impl Cpu {
    /// Its index in the machine's list of CPUs.
    pub fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    /// Its affinity, once it has arrived at EL2.
    pub fn mpidr(&self) -> Mpidr {
        Mpidr::new(self.mpidr.load(Ordering::Relaxed))
    }

    /// Where its stack starts.
    pub fn stack_top(&self) -> u64 {
        self.stack_top.load(Ordering::Relaxed)
    }

    /// The vCPU that lives on it.
    pub fn vcpu(&self) -> Option<&Vcpu> {
        self.vcpu.get()
    }

    /// The same, for who knows that there is one.
    ///
    /// # Safety
    ///
    /// `assign` must have been called.
    #[inline(always)]
    pub unsafe fn vcpu_that_ran(&self) -> &Vcpu {
        // SAFETY: the caller vouches for it.
        unsafe { self.vcpu.get_unchecked() }
    }

    /// Gives the CPU to a vCPU, for good.
    pub fn assign(&self, vcpu: Vcpu) {
        self.vcpu.call_once(|| vcpu);
    }

    /// Has the vectors make firmware's call for the guest's with this identifier.
    pub fn pass_on(&self, workaround: Workaround) {
        self.workaround.store(u64::from(workaround.id()), Ordering::Relaxed);
    }

    /// Notes that it has left the code that only boot needs.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Whether it has left the code that only boot needs.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Whether it has arrived at EL2.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }
}

/// All CPUs that there is room for.
pub fn all() -> &'static [Cpu] {
    &CPUS
}

/// The CPU with this index.
///
/// # Panics
///
/// When there is no such CPU.
pub fn get(index: usize) -> &'static Cpu {
    &CPUS[index]
}

/// Gives the CPU with this index the stack with that number.
pub fn set_stack(index: usize, stack: usize) {
    CPUS[index].stack_top.store(image::stack_top(stack), Ordering::Release);
}

/// Makes `current` work on this CPU, which has its stack.
pub fn enter(index: usize) {
    let cpu = &CPUS[index];
    cpu.index.store(index, Ordering::Relaxed);
    cpu.mpidr.store(current_mpidr().get(), Ordering::Relaxed);
    TPIDR_EL2.set(core::ptr::from_ref(cpu) as u64);
    cpu.up.store(true, Ordering::Release);
}

/// The CPU that this runs on.
pub fn current() -> &'static Cpu {
    // SAFETY: `enter` set TPIDR_EL2 to an element of the static `CPUS` before anything on this
    // CPU could ask, guests cannot write it, and nobody changes it afterwards.
    unsafe { &*(TPIDR_EL2.get() as *const Cpu) }
}

/// The affinity of the CPU that this runs on.
pub fn current_mpidr() -> Mpidr {
    Mpidr::new(MPIDR_EL1.get())
}
