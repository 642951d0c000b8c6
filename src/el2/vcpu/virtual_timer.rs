//! A guest's virtual timer, which EL2 masks at its expiry if the guest ends its interrupt too early.

use aarch64_cpu::registers::{CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVOFF_EL2, Readable, Writeable};
use bulkhead::util::deadlines::User;
use bulkhead::vgic::{Check, IMASK, ISTATUS, TimerRegisters};

use super::Vcpu;
use crate::el2::cpu::timer;

/// Masks the timer, whose interrupt has just been injected, unless its line is low again.
#[inline(always)]
pub fn mask(vcpu: &Vcpu) {
    let control = CNTV_CTL_EL0.get();
    if control & ISTATUS != 0 {
        CNTV_CTL_EL0.set(control | IMASK);
        vcpu.arrivals.timer_masked(CNTV_CVAL_EL0.get());
    }
}

/// Checks that the guest does not wait for a timer that EL2 has masked, and sets the deadline of the
/// next check. If the timer's interrupt has just been injected (`observes`), first observes whether
/// the guest ends it before it stops the timer, unless the line is low again.
#[inline(never)]
pub fn check(vcpu: &Vcpu, observes: bool) {
    let registers = TimerRegisters { control: CNTV_CTL_EL0.get(), compare: CNTV_CVAL_EL0.get() };
    if observes && registers.control & ISTATUS == 0 {
        return;
    }
    let check = vcpu.with_vgic(|vgic, _| vgic.check_timer(vcpu.index(), observes, registers));
    let mut imask = registers.control & IMASK;
    let deadline = match check {
        Check::NotMasking => None,
        Check::After(time) => {
            if observes {
                imask = IMASK;
            }
            Some(timer::now().wrapping_add(timer::milliseconds(time)))
        }
        Check::AtExpiry => Some(registers.compare.wrapping_add(CNTVOFF_EL2.get())),
        Check::Unmask => {
            imask = 0;
            None
        }
    };
    CNTV_CTL_EL0.set(registers.control & !IMASK | imask);
    timer::set_deadline(User::VirtualTimer, deadline);
}
