//! The treatment of the virtual timers' interrupts: what EL2 reports of a timer, and the marks of its
//! interrupt.

use super::controller::Vgic;
use super::intid_set::IntidSet;
use super::virtual_timer::{CHECK_MS, Check, TimerRegisters, Treatment};
use crate::arch::intid::Intid;
use crate::util::atomic::Ordering;

impl Vgic {
    /// Observes the virtual timer of the vCPU on this CPU, after
    /// [`Injection::WriteAndObserveTimer`](super::Injection::WriteAndObserveTimer), if its line is
    /// high. Returns the time until its first check, in milliseconds, if EL2 must mask it.
    pub fn observe_timer(&mut self, vcpu: usize, compare: u64) -> Option<u64> {
        let state = &mut self.state.vcpus[vcpu];
        let last = state.arrivals.expiry.swap(compare, Ordering::Relaxed);
        state.timer.observe(last, compare);
        let is_masked = state.timer.treatment() == Treatment::Mask;
        self.treat_timer(vcpu);
        is_masked.then_some(CHECK_MS.0)
    }

    /// Checks the virtual timer of the vCPU on this CPU.
    pub fn check_timer(&mut self, vcpu: usize, registers: TimerRegisters) -> Check {
        let state = &mut self.state.vcpus[vcpu];
        let masked = state.arrivals.expiry.load(Ordering::Relaxed);
        let check = state.timer.check(masked, registers);
        self.treat_timer(vcpu);
        check
    }

    /// Observes a vCPU's virtual timer anew if the guest has disabled its interrupt, which is in
    /// `set` then: it may get another handler. The interrupt must be prepared afterwards.
    pub(super) fn observe_timer_anew(&mut self, set: IntidSet) {
        let vcpu = set.owner();
        let is_timer = |timer: Intid| set.mask() >> timer.get() & 1 != 0;
        if set.word() == 0
            && self.state.virtual_timer.is_some_and(is_timer)
            && self.state.vcpus[vcpu].timer.restart()
        {
            self.mark_timer(vcpu);
        }
    }

    /// Makes the interrupt of a vCPU's virtual timer be treated as its [`VirtualTimer`] says.
    fn treat_timer(&mut self, vcpu: usize) {
        if let Some(timer) = self.mark_timer(vcpu) {
            self.backend.prepare(&self.state, IntidSet::one(vcpu, timer));
        }
    }

    /// Does the same, except that the interrupt must be prepared afterwards. Returns it, if the
    /// partition owns it.
    pub(super) fn mark_timer(&mut self, vcpu: usize) -> Option<Intid> {
        let timer = self.state.virtual_timer?;
        let treatment = self.state.vcpus[vcpu].timer.treatment();
        let bank = self.state.bank_mut(IntidSet::one(vcpu, timer));
        let template = &mut bank.templates[timer.get() as usize];
        *template = template.with_treatment(treatment);
        Some(timer)
    }
}
