//! Per-CPU data: a physical CPU with the vCPUs that are assigned to it.

use aarch64_cpu::registers::{TPIDR_EL2, Writeable};
use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use bulkhead::util::wake;
use core::mem::offset_of;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::Vcpu;
use crate::el2::arch::image::MAX_CPUS;
use crate::el2::arch::sync::SetOnce;
use crate::el2::cpu::{self, Cpu};
use crate::el2::drivers::gic::Gic;
use crate::el2::partition::{Messages, SmmuInterrupts};

/// A physical CPU with the vCPUs that are assigned to it. TPIDR_EL2 points to it and, because `cpu`
/// is the first field, to its [`Cpu`].
#[repr(C)]
pub struct Resident {
    /// The CPU.
    pub cpu: Cpu,
    /// The vCPU that has the CPU, whose guest it runs; null if there is none.
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
    /// The ITS that takes messages, if one does.
    pub messages: Option<&'static dyn Messages>,
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
    /// Sets the CPU's vCPUs, which never change. The first one has the CPU.
    pub fn assign(&'static self, vcpus: Vec<Vcpu>) {
        if let Some(first) = self.vcpus.set(vcpus).first() {
            self.cpu.set_seat(first.seat);
            self.running.store(core::ptr::from_ref(first).cast_mut(), Ordering::Relaxed);
        }
    }

    /// Returns the vCPU that has the CPU, if there is one.
    #[inline(always)]
    pub fn vcpu(&self) -> Option<&'static Vcpu> {
        // SAFETY: the pointer is null or that of an element of `vcpus` of a `Resident` in a static:
        // only `assign` stores it, and `vcpus` is set once.
        unsafe { self.running.load(Ordering::Relaxed).as_ref() }
    }

    /// Waits until something is requested of the CPU or of the vCPU that has it: see
    /// [`wake::wait_for_any`].
    #[inline(always)]
    pub(super) fn wait_for_requests(&self, wait: impl FnMut()) {
        let of_vcpu = self.vcpu().map(|vcpu| &vcpu.seat.wake);
        wake::wait_for_any([Some(&self.cpu.wake), of_vcpu], wait);
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
    // SAFETY: `Resident::assign` stores a pointer to a vCPU that is never dropped before this CPU
    // enters a guest, and by the caller's guarantee it has entered one.
    unsafe { &*current().running.load(Ordering::Relaxed) }
}
