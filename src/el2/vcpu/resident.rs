//! Per-CPU data: a physical CPU with the vCPUs that are assigned to it.

use aarch64_cpu::registers::{TPIDR_EL2, Writeable};
use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use core::mem::offset_of;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::Vcpu;
use crate::el2::arch::image::MAX_CPUS;
use crate::el2::arch::sync::SetOnce;
use crate::el2::cpu::{self, Cpu};
use crate::el2::drivers::gic::Gic;
use crate::el2::partition::SmmuInterrupts;

/// A physical CPU with the vCPUs that are assigned to it. TPIDR_EL2 points to it and, because `cpu`
/// is the first field, to its [`Cpu`].
#[repr(C)]
pub struct Resident {
    /// The CPU.
    pub cpu: Cpu,
    /// The vCPU whose guest this CPU runs or ran last.
    running: AtomicPtr<Vcpu>,
    /// The vCPUs that are assigned to the CPU: one, or none if no partition owns it.
    vcpus: SetOnce<Vec<Vcpu>>,
    /// Bulkhead's own interrupts on the CPU.
    own: SetOnce<OwnInterrupts>,
}

/// The interrupt controller, and the INTIDs of Bulkhead's own interrupts.
#[derive(Clone, Copy)]
pub struct OwnInterrupts {
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The maintenance interrupt of the virtual CPU interface.
    pub maintenance: Intid,
    /// EL2's physical timer.
    pub timer: Intid,
    /// The console's UART, if it has an interrupt.
    pub console: Option<Intid>,
    /// The SMMUs, if a partition has a device behind one.
    pub smmus: Option<&'static dyn SmmuInterrupts>,
}

/// The offset of [`Resident::running`] in bytes, for the vectors.
pub const RUNNING: usize = offset_of!(Resident, running);

/// A static, because handlers of exceptions find their data only by TPIDR_EL2, which points into
/// it.
static RESIDENTS: [Resident; MAX_CPUS] = [const {
    Resident {
        cpu: Cpu::new(),
        running: AtomicPtr::new(null_mut()),
        vcpus: SetOnce::new(),
        own: SetOnce::new(),
    }
}; MAX_CPUS];

impl Resident {
    /// Sets the CPU's vCPUs, which never change.
    pub fn assign(&self, vcpus: Vec<Vcpu>) {
        self.vcpus.set(vcpus);
    }

    /// Returns the vCPUs that are assigned to the CPU.
    pub fn vcpus(&self) -> &[Vcpu] {
        self.vcpus.get().map_or(&[], Vec::as_slice)
    }

    /// Sets Bulkhead's own interrupts on the CPU.
    pub fn set_own_interrupts(&self, own: OwnInterrupts) {
        self.own.set(own);
    }

    /// Returns Bulkhead's own interrupts on the CPU.
    ///
    /// # Panics
    ///
    /// If they are not set.
    #[inline(always)]
    pub fn own_interrupts(&self) -> &OwnInterrupts {
        &self.own
    }

    /// Sets the vCPU whose guest this CPU is about to run.
    pub(super) fn set_running(&self, vcpu: &'static Vcpu) {
        self.running.store(core::ptr::from_ref(vcpu).cast_mut(), Ordering::Relaxed);
    }
}

/// Returns the data of all CPUs, up to the largest supported number.
pub fn all() -> &'static [Resident] {
    &RESIDENTS
}

/// Points this CPU's TPIDR_EL2 to the data with its index, and records that it is up.
#[inline(always)]
pub fn enter(index: usize) -> &'static Resident {
    let resident = &RESIDENTS[index];
    TPIDR_EL2.set(core::ptr::from_ref(resident) as u64);
    resident.cpu.set_up(index);
    resident
}

/// Returns the data of this CPU.
#[inline(always)]
pub fn current() -> &'static Resident {
    let cpu = core::ptr::from_ref(cpu::current());
    // SAFETY: `cpu::current` returns the first field of the `Resident` in a static to which `enter`
    // has pointed TPIDR_EL2, and the struct is `repr(C)`.
    unsafe { &*cpu.cast::<Resident>() }
}

/// Returns the vCPU whose guest caused this exit.
///
/// # Safety
///
/// This CPU must have taken its last exception to EL2 from a guest.
#[inline(always)]
pub unsafe fn running() -> &'static Vcpu {
    // SAFETY: `Vcpu::enter` calls `set_running` with a `&'static Vcpu` before it enters a guest,
    // and by the caller's guarantee this CPU has entered one.
    unsafe { &*current().running.load(Ordering::Relaxed) }
}
