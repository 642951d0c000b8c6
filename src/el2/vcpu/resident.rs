//! The per-CPU data: a physical CPU with the vCPUs that live on it.

use aarch64_cpu::registers::{TPIDR_EL2, Writeable};
use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::Vcpu;
use crate::el2::arch::image::MAX_CPUS;
use crate::el2::arch::sync::SetOnce;
use crate::el2::cpu::{self, Cpu};
use crate::el2::drivers::gic::Gic;

/// A physical CPU with everything that lives on it. TPIDR_EL2 points to it, and to its first field.
#[repr(C)]
pub struct Resident {
    /// The CPU itself.
    pub cpu: Cpu,
    /// The vCPU whose guest this CPU runs, or ran last.
    running: AtomicPtr<Vcpu>,
    /// The vCPUs that live on it: one, or none if no partition owns the CPU.
    vcpus: SetOnce<Vec<Vcpu>>,
    /// The machine's interrupts that Bulkhead handles itself.
    own: SetOnce<OwnInterrupts>,
}

/// The interrupt controller, and the numbers of the interrupts that are Bulkhead's own.
#[derive(Clone, Copy)]
pub struct OwnInterrupts {
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The maintenance interrupt of the virtual CPU interface.
    pub maintenance: Intid,
    /// EL2's physical timer.
    pub timer: Intid,
    /// The UART, if it has one.
    pub console: Option<Intid>,
}

/// A static, because the vectors have no argument but TPIDR_EL2, which points into it.
static RESIDENTS: [Resident; MAX_CPUS] = [const {
    Resident {
        cpu: Cpu::new(),
        running: AtomicPtr::new(null_mut()),
        vcpus: SetOnce::new(),
        own: SetOnce::new(),
    }
}; MAX_CPUS];

impl Resident {
    /// Gives the CPU its vCPUs, for good.
    pub fn assign(&self, vcpus: Vec<Vcpu>) {
        self.vcpus.set(vcpus);
    }

    /// Returns the vCPUs that live on the CPU.
    pub fn vcpus(&self) -> &[Vcpu] {
        self.vcpus.get().map_or(&[], Vec::as_slice)
    }

    /// Tells the CPU which interrupts are Bulkhead's own.
    pub fn set_own_interrupts(&self, own: OwnInterrupts) {
        self.own.set(own);
    }

    /// Returns the interrupts that are Bulkhead's own.
    #[inline(always)]
    pub fn own_interrupts(&self) -> &OwnInterrupts {
        &self.own
    }

    /// Notes that this CPU is about to run the guest of a vCPU.
    pub(super) fn set_running(&self, vcpu: &'static Vcpu) {
        self.running.store(core::ptr::from_ref(vcpu).cast_mut(), Ordering::Relaxed);
    }
}

/// Returns all CPUs that there is room for.
pub fn all() -> &'static [Resident] {
    &RESIDENTS
}

/// Points TPIDR_EL2 of this CPU to the data of the CPU with this index, and notes that it is up.
#[inline(always)]
pub fn enter(index: usize) -> &'static Resident {
    let resident = &RESIDENTS[index];
    TPIDR_EL2.set(core::ptr::from_ref(resident) as u64);
    resident.cpu.set_up(index);
    resident
}

/// Returns the data of the CPU that runs this.
#[inline(always)]
pub fn current() -> &'static Resident {
    let cpu = core::ptr::from_ref(cpu::current());
    // SAFETY: `enter` points TPIDR_EL2 to a `Resident`, whose first field `cpu::current` returns.
    unsafe { &*cpu.cast::<Resident>() }
}

/// Returns the vCPU whose guest caused this exit.
///
/// # Safety
///
/// This CPU must have come here from a guest.
#[inline(always)]
pub unsafe fn running() -> &'static Vcpu {
    // SAFETY: `enter::enter` sets the pointer to a vCPU that lives for ever before it enters the
    // guest from which, the caller vouches, this CPU came.
    unsafe { &*current().running.load(Ordering::Relaxed) }
}
