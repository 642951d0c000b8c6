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

/// Observes whether the guest ends the interrupt, which has just been injected, before it stops the
/// timer.
#[inline(never)]
pub fn observe(vcpu: &Vcpu) {
    let (control, compare) = (CNTV_CTL_EL0.get(), CNTV_CVAL_EL0.get());
    if control & ISTATUS == 0 {
        return;
    }
    if let Some(time) = vcpu.with_vgic(|vgic, _| vgic.observe_timer(vcpu.index(), compare)) {
        mask(vcpu);
        check_after(time, timer::now());
    }
}

/// Checks that the guest does not wait for a timer that EL2 has masked, and sets the deadline of the
/// next check. `now` is the physical counter's value.
#[inline(never)]
pub fn check(vcpu: &Vcpu, now: u64) {
    let registers = TimerRegisters { control: CNTV_CTL_EL0.get(), compare: CNTV_CVAL_EL0.get() };
    let check = vcpu.with_vgic(|vgic, _| vgic.check_timer(vcpu.index(), registers));
    match check {
        Check::NotMasking => timer::set_deadline(User::VirtualTimer, None),
        Check::After(time) => check_after(time, now),
        Check::AtExpiry => {
            let expiry = registers.compare.wrapping_add(CNTVOFF_EL2.get());
            timer::set_deadline(User::VirtualTimer, Some(expiry));
        }
        Check::Unmask => {
            CNTV_CTL_EL0.set(registers.control & !IMASK);
            timer::set_deadline(User::VirtualTimer, None);
        }
    }
}

/// Sets the deadline of the next check to this number of milliseconds after `now`.
fn check_after(time: u64, now: u64) {
    timer::set_deadline(User::VirtualTimer, Some(now + timer::milliseconds(time)));
}
