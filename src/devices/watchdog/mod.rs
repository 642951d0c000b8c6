//! The watchdog that a guest sees: Arm's generic watchdog (Base System Architecture, DEN0094, appendix
//! "Generic Watchdog"; at first in the Server Base System Architecture, DEN0029), which stock drivers
//! know as `arm,sbsa-gwdt`.
//!
//! It compares the counter that the guest sees as its virtual counter with a value of its own, WCV.
//! When the counter has passed that, the first stage raises an interrupt (WS0) and adds the offset, WOR,
//! for the second one; when that passes too, the watchdog fires (WS1). Being fed sets WCV to the
//! offset from now, and takes the interrupt back.
//!
//! It is of version 0, with an offset of 32 bits. Version 1 has 48, which a driver for both sets by two
//! stores (two traps), and for which the driver of Linux 6.1 multiplies in 32 bits: on a counter of
//! 1 GHz its 10 seconds would come out as 1.4. To version 0 it never gives more than fits.

#[cfg(test)]
mod tests;

// Offsets in the control frame.
const WCS: u64 = 0x000;
const WOR: u64 = 0x008;
const WCV_LOW: u64 = 0x010;
const WCV_HIGH: u64 = 0x014;
/// The only register of the refresh frame that is not in the control frame.
const WRR: u64 = 0x000;
/// In both frames.
const W_IIDR: u64 = 0xfcc;

// Bits of WCS.
const WCS_EN: u32 = 1 << 0;
const WCS_WS0: u32 = 1 << 1;
const WCS_WS1: u32 = 1 << 2;

/// Architecture version 0 (bits 19:16), implementer Arm (JEP106 code, bits 11:0).
const IDENTIFICATION: u32 = 0x43b;

/// Which of the two frames an access goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// With all registers but WRR.
    Control,
    /// With WRR alone, so that it can be given to whoever feeds.
    Refresh,
}

/// An emulated watchdog.
///
/// Every `now` is a value of the guest's virtual counter, and none is less than the one before. After
/// every call that takes one, [`Watchdog::interrupt_line`], [`Watchdog::has_fired`] and
/// [`Watchdog::deadline`] may be others.
#[derive(Clone, Debug)]
pub struct Watchdog {
    enabled: bool,
    offset: u32,
    /// WCV: the counter's last value of this stage.
    compare: u64,
    /// WS0: the first stage is over.
    interrupt: bool,
    /// WS1: so is the second one.
    fired: bool,
}

impl Watchdog {
    /// A watchdog as firmware leaves one that guards the boot: enabled at `now`, and fires after
    /// `ticks` unless it is fed. That may be more than two offsets of 32 bits: then the first stage
    /// makes up for it, until the guest feeds it.
    pub fn new(now: u64, ticks: u64) -> Self {
        let offset = u32::try_from(ticks / 2).unwrap_or(u32::MAX);
        let compare = now.saturating_add(ticks - u64::from(offset));
        Self { enabled: true, offset, compare, interrupt: false, fired: false }
    }

    /// Reads the register at `offset` from the start of `frame`, as it is since `now`. Registers have
    /// 32 bits; what an access of another size does is up to the implementation, and this one
    /// answers as to one of 32. What is no register reads as zero.
    pub fn read(&mut self, frame: Frame, offset: u64, now: u64) -> u32 {
        self.poll(now);
        match (frame, offset) {
            (Frame::Control, WCS) => {
                let bit = |is_set, bit| if is_set { bit } else { 0 };
                bit(self.enabled, WCS_EN) | bit(self.interrupt, WCS_WS0) | bit(self.fired, WCS_WS1)
            }
            (Frame::Control, WOR) => self.offset,
            (Frame::Control, WCV_LOW) => self.compare as u32,
            (Frame::Control, WCV_HIGH) => (self.compare >> 32) as u32,
            (_, W_IIDR) => IDENTIFICATION,
            _ => 0,
        }
    }

    /// Writes `value` to the register at `offset` from the start of `frame`, at `now`. What is no
    /// register ignores it, and so does a watchdog that has fired: its partition ends.
    pub fn write(&mut self, frame: Frame, offset: u64, value: u32, now: u64) {
        self.poll(now);
        if self.fired {
            return;
        }
        match (frame, offset) {
            (Frame::Control, WCS) => self.enabled = value & WCS_EN != 0,
            (Frame::Control, WOR) => self.offset = value,
            (Frame::Control, WCV_LOW) => {
                return self.load(self.compare >> 32 << 32 | u64::from(value), now);
            }
            (Frame::Control, WCV_HIGH) => {
                return self.load(u64::from(value) << 32 | u64::from(self.compare as u32), now);
            }
            (Frame::Refresh, WRR) => {}
            _ => return,
        }
        // An explicit refresh.
        self.compare = now.saturating_add(self.offset.into());
        self.interrupt = false;
    }

    /// Lets the time pass up to `now`.
    pub fn poll(&mut self, now: u64) {
        while let Some(deadline) = self.deadline()
            && deadline <= now
        {
            self.end_stage(deadline);
        }
    }

    /// Sets WCV, which may lie in the past.
    fn load(&mut self, compare: u64, now: u64) {
        self.compare = compare;
        if self.enabled && compare < now {
            self.end_stage(now);
        }
    }

    fn end_stage(&mut self, now: u64) {
        self.fired = self.interrupt;
        self.interrupt = true;
        self.compare = now.saturating_add(self.offset.into());
    }

    /// When the next stage is over, unless it is fed before.
    pub fn deadline(&self) -> Option<u64> {
        let runs = self.enabled && !self.fired;
        if runs { self.compare.checked_add(1) } else { None }
    }

    /// The level of its interrupt.
    pub fn interrupt_line(&self) -> bool {
        self.interrupt
    }

    /// Whether both stages are over: the partition has crashed.
    pub fn has_fired(&self) -> bool {
        self.fired
    }
}
