//! Masking of a vCPU's virtual timer at its expiry.
//!
//! The line of a timer is high from the expiry until the guest stops, masks or reprograms the timer.
//! A guest that ends the interrupt first deactivates the physical interrupt while the line is high:
//! EL2 takes the interrupt again, and injects it again. For such a guest EL2 sets
//! CNTV_CTL_EL0.IMASK (Arm ARM D24.10.17) whenever it injects the interrupt, which lowers the line.
//! The guest unmasks the timer when it writes CNTV_CTL_EL0 for the next expiry.
//!
//! A guest may as well write only CNTV_CVAL_EL0 or CNTV_TVAL_EL0. Then the mask would stay, and the
//! guest would lose the next expiry. So EL2 masks only for guests that were seen to end an interrupt
//! first, and checks from time to time that none of them waits for a masked timer; if one does, EL2
//! unmasks it and never masks again.

/// ENABLE of CNTV_CTL_EL0.
const ENABLE: u64 = 1 << 0;
/// IMASK of CNTV_CTL_EL0: the interrupt is masked.
pub const IMASK: u64 = 1 << 1;
/// ISTATUS of CNTV_CTL_EL0: the timer has expired.
pub const ISTATUS: u64 = 1 << 2;

/// The number of interrupts that are compared with their predecessors before EL2 knows the guest.
const OBSERVED: u32 = 8;
/// A compare value that no expiry has.
pub(super) const NO_EXPIRY: u64 = u64::MAX;
/// The first and the longest time from one check to the next, in milliseconds.
pub(super) const CHECK_MS: (u64, u64) = (200, 800);

/// The registers of the virtual timer.
#[derive(Clone, Copy, Debug)]
pub struct TimerRegisters {
    /// CNTV_CTL_EL0.
    pub control: u64,
    /// CNTV_CVAL_EL0.
    pub compare: u64,
}

/// Whether EL2 masks a vCPU's virtual timer at its expiry.
#[derive(Debug)]
pub(super) struct VirtualTimer {
    mode: Mode,
    /// How often the time between two checks was doubled.
    doublings: u32,
}

/// What EL2 knows of the guest's habit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// This many interrupts have to be observed.
    Observing(u32),
    /// The guest stops, masks or reprograms the timer before it ends the interrupt.
    Plain,
    /// The guest ends the interrupt first: EL2 masks the timer.
    Masking,
    /// The guest has waited for a masked timer: EL2 masks it never again.
    Refused,
}

/// What EL2 does with the virtual timer when it injects its interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Treatment {
    /// Nothing.
    Plain,
    /// It masks the timer.
    Mask,
    /// It observes the timer.
    Observe,
}

/// The result of [`VirtualTimer::check`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// EL2 does not mask this timer.
    NotMasking,
    /// No expiry is lost. The next check is due in this number of milliseconds.
    After(u64),
    /// No expiry is lost yet. The next check is due when the timer expires.
    AtExpiry,
    /// The guest waits for an expiry that EL2's mask hides: EL2 must unmask the timer.
    Unmask,
}

impl VirtualTimer {
    /// Returns the state for a guest that is not known yet.
    pub fn new() -> Self {
        Self { mode: Mode::Observing(OBSERVED), doublings: 0 }
    }

    /// Observes the guest anew if EL2 does not mask its timer now and may do so: it may have another
    /// handler of the interrupt. Returns whether EL2 does.
    pub fn restart(&mut self) -> bool {
        let is_known = self.mode == Mode::Plain;
        if is_known {
            self.mode = Mode::Observing(OBSERVED);
        }
        is_known
    }

    /// Returns what EL2 does with the timer when it injects the interrupt.
    pub fn treatment(&self) -> Treatment {
        match self.mode {
            Mode::Observing(_) => Treatment::Observe,
            Mode::Plain | Mode::Refused => Treatment::Plain,
            Mode::Masking => Treatment::Mask,
        }
    }

    /// Notes an interrupt of the timer, whose line is high. `last` and `compare` are CNTV_CVAL_EL0 at
    /// the last interrupt and at this one: an expiry that causes a second interrupt shows that the
    /// guest ended the first one too early.
    pub fn observe(&mut self, last: u64, compare: u64) {
        if let Mode::Observing(more) = self.mode {
            self.mode = match more {
                _ if last == compare => Mode::Masking,
                1 => Mode::Plain,
                more => Mode::Observing(more.wrapping_sub(1)),
            };
        }
    }

    /// Checks whether the guest waits for an expiry that EL2's mask hides. `masked` is CNTV_CVAL_EL0
    /// at the last expiry at which EL2 masked the timer.
    pub fn check(&mut self, masked: u64, timer: TimerRegisters) -> Check {
        if self.mode != Mode::Masking {
            return Check::NotMasking;
        }
        let is_set = timer.control & (ENABLE | IMASK) == ENABLE | IMASK && timer.compare != masked;
        match (is_set, timer.control & ISTATUS != 0) {
            (true, true) => {
                self.mode = Mode::Refused;
                Check::Unmask
            }
            (true, false) => Check::AtExpiry,
            (false, _) => Check::After(self.next_check()),
        }
    }

    /// Returns the time until the next check, in milliseconds, and doubles it.
    fn next_check(&mut self) -> u64 {
        let (first, longest) = CHECK_MS;
        let time = first.wrapping_shl(self.doublings);
        self.doublings = self.doublings.wrapping_add(u32::from(time < longest));
        time
    }
}

#[cfg(test)]
#[path = "tests/virtual_timer.rs"]
mod tests;
