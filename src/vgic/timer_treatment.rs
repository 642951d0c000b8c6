//! The treatment of the virtual timers' interrupts: what EL2 reports of a timer, and the marks of its
//! interrupt.

use super::controller::Vgic;
use super::intid_set::IntidSet;
use super::virtual_timer::{CHECK_MS, Check, TimerRegisters, Treatment};
use crate::arch::intid::Intid;
use crate::util::atomic::Ordering;

impl Vgic {
    /// Checks the virtual timer of the vCPU on this CPU. `observes` if its interrupt has just been
    /// injected with
    /// [`Injection::WriteAndObserveTimer`](super::Injection::WriteAndObserveTimer) and its line is
    /// high: then EL2 must mask it on [`Check::After`].
    pub fn check_timer(&mut self, vcpu: usize, observes: bool, registers: TimerRegisters) -> Check {
        let state = &mut self.state.vcpus[vcpu];
        let expiry = state.arrivals.expiry.load(Ordering::Relaxed);
        let check = if observes {
            state.arrivals.timer_masked(registers.compare);
            state.timer.observe(expiry, registers.compare);
            match state.timer.treatment() {
                Treatment::Mask => Check::After(CHECK_MS.0),
                Treatment::Plain | Treatment::Observe => Check::NotMasking,
            }
        } else {
            state.timer.check(expiry, registers)
        };
        self.treat_timer(vcpu);
        check
    }

    /// Observes a vCPU's virtual timer anew if the guest has disabled its interrupt, which is in
    /// `set` then: it may get another handler. The interrupt must be prepared afterwards.
    pub(super) fn observe_timer_anew(&mut self, set: IntidSet) {
        let vcpu = set.owner();
        let is_timer = |timer: Intid| set.mask().wrapping_shr(timer.get()) & 1 != 0;
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
        let template = &mut bank.templates[timer.get() as usize % 32];
        *template = template.with_treatment(treatment);
        Some(timer)
    }
}
