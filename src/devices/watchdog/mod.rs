//! Emulates Arm's generic watchdog (Base System Architecture, DEN0094, appendix "Generic Watchdog";
//! before that in the Server Base System Architecture, DEN0029), for which stock drivers match
//! `arm,sbsa-gwdt`.
//!
//! It compares the guest's virtual counter with a compare value, WCV. When the counter has passed
//! WCV, the first stage asserts the interrupt (WS0) and sets WCV to the offset, WOR, from that
//! moment. When the counter has passed that as well, the watchdog fires (WS1). A refresh sets WCV
//! to the offset from then on and deasserts the interrupt.
//!
//! The architecture version is 0, whose WOR has 32 bits. Version 1 has 48 bits. A driver for both
//! versions sets them by two stores, which are two traps, and the driver of Linux 6.1 computes them
//! in 32 bits: on a counter of 1 GHz its 10 seconds would come out as 1.4. For version 0 it never
//! writes more than fits.

#[cfg(test)]
mod tests;

use super::facts::{Binding, KindFacts, Size};
use super::{Device, Env, Offset};
use crate::arch::addr::{Ipa, PAGE_SIZE};

/// What all watchdogs have in common. QEMU `virt` has nothing at these addresses: the control
/// frame, then the refresh frame.
pub const FACTS: KindFacts = KindFacts {
    name: "watchdog",
    owned_name: "its watchdog",
    start: Ipa::new(0x090f_0000),
    size: Size::Fixed(2 * PAGE_SIZE),
    mapped: 0,
    has_interrupt: true,
    binding: Binding {
        node: "watchdog",
        compatible: &["arm,sbsa-gwdt"],
        alias: None,
        entry: Some(PAGE_SIZE),
    },
};

// Offsets in the control frame.
const WCS: u64 = 0x000;
const WOR: u64 = 0x008;
const WCV_LOW: u64 = 0x010;
const WCV_HIGH: u64 = 0x014;
/// Offset in the refresh frame.
const WRR: u64 = 0x000;
/// Offset in both frames.
const W_IIDR: u64 = 0xfcc;

// Bits of WCS.
const WCS_EN: u32 = 1 << 0;
const WCS_WS0: u32 = 1 << 1;
const WCS_WS1: u32 = 1 << 2;

/// Architecture version 0 (bits 19:16), implementer Arm (JEP106 code, bits 11:0).
const IDENTIFICATION: u32 = 0x43b;

/// A frame of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogFrame {
    /// The control frame: all registers but WRR.
    Control,
    /// The refresh frame: WRR, which refreshes the watchdog, and W_IIDR.
    Refresh,
}

impl WatchdogFrame {
    /// Returns the frame that an offset of [`Device`] is in: frame 0 or frame 1.
    fn of(at: Offset) -> Option<Self> {
        match at.frame() {
            0 => Some(Self::Control),
            1 => Some(Self::Refresh),
            _ => None,
        }
    }
}

/// An emulated watchdog.
///
/// `now` is the value of the guest's virtual counter, and never less than in the call before. Each
/// call that takes it can change [`Watchdog::interrupt_line`], [`Watchdog::has_fired`] and
/// [`Watchdog::deadline`].
#[derive(Clone, Debug)]
pub struct Watchdog {
    /// The ticks of the counter from the start of the partition until it fires.
    timeout: u64,
    enabled: bool,
    /// WOR, in ticks of the counter.
    offset: u32,
    /// WCV: the counter's last value of the present stage.
    compare: u64,
    /// WS0: the first stage has ended.
    interrupt: bool,
    /// WS1: the second stage has ended.
    fired: bool,
}

impl Watchdog {
    /// Creates a watchdog as firmware leaves one that guards the boot: it is enabled at `now` and
    /// fires after `ticks` of the counter unless it is refreshed. If two stages of 32-bit offsets
    /// are less than `ticks`, the first stage is longer until the first refresh.
    pub fn new(now: u64, ticks: u64) -> Self {
        let offset = u32::try_from(ticks / 2).unwrap_or(u32::MAX);
        let compare = now.saturating_add(ticks.wrapping_sub(offset.into()));
        Self { timeout: ticks, enabled: true, offset, compare, interrupt: false, fired: false }
    }

    /// Reads the register at `offset` from the start of `frame`, in bytes. Registers have 32 bits.
    /// What accesses of other sizes do is IMPLEMENTATION DEFINED; here they read the register's
    /// lowest bits. Other offsets read as zero.
    pub fn read(&mut self, frame: WatchdogFrame, offset: u64, now: u64) -> u32 {
        self.poll(now);
        match (frame, offset) {
            (WatchdogFrame::Control, WCS) => {
                let bit = |is_set, bit| if is_set { bit } else { 0 };
                bit(self.enabled, WCS_EN) | bit(self.interrupt, WCS_WS0) | bit(self.fired, WCS_WS1)
            }
            (WatchdogFrame::Control, WOR) => self.offset,
            (WatchdogFrame::Control, WCV_LOW) => self.compare as u32,
            (WatchdogFrame::Control, WCV_HIGH) => (self.compare >> 32) as u32,
            (_, W_IIDR) => IDENTIFICATION,
            _ => 0,
        }
    }

    /// Writes `value` to the register at `offset` from the start of `frame`, in bytes. Writes to
    /// other offsets are ignored, and so is each write after the watchdog has fired: its partition
    /// ends.
    pub fn write(&mut self, frame: WatchdogFrame, offset: u64, value: u32, now: u64) {
        self.poll(now);
        if self.fired {
            return;
        }
        match (frame, offset) {
            (WatchdogFrame::Control, WCS) => self.enabled = value & WCS_EN != 0,
            (WatchdogFrame::Control, WOR) => self.offset = value,
            (WatchdogFrame::Control, WCV_LOW) => {
                return self.load(self.compare >> 32 << 32 | u64::from(value), now);
            }
            (WatchdogFrame::Control, WCV_HIGH) => {
                return self.load(u64::from(value) << 32 | u64::from(self.compare as u32), now);
            }
            (WatchdogFrame::Refresh, WRR) => {}
            _ => return,
        }
        // All of these are an explicit refresh.
        self.compare = now.saturating_add(self.offset.into());
        self.interrupt = false;
    }

    /// Ends the stages whose time has passed at `now`.
    pub fn poll(&mut self, now: u64) {
        while let Some(deadline) = self.deadline()
            && deadline <= now
        {
            self.end_stage(deadline);
        }
    }

    /// Sets WCV. A value in the past ends the stage at once.
    fn load(&mut self, compare: u64, now: u64) {
        self.compare = compare;
        if self.enabled && compare < now {
            self.end_stage(now);
        }
    }

    /// Ends the present stage at `now` and begins the next one.
    fn end_stage(&mut self, now: u64) {
        self.fired = self.interrupt;
        self.interrupt = true;
        self.compare = now.saturating_add(self.offset.into());
    }

    /// Returns the counter's value at which the present stage ends, unless the watchdog is
    /// refreshed before; `None` if it is disabled or has fired.
    pub fn deadline(&self) -> Option<u64> {
        let runs = self.enabled && !self.fired;
        if runs { self.compare.checked_add(1) } else { None }
    }

    /// Returns the level of the interrupt, WS0.
    pub fn interrupt_line(&self) -> bool {
        self.interrupt
    }

    /// Returns whether both stages have ended: WS1, which counts as a crash of the partition.
    pub fn has_fired(&self) -> bool {
        self.fired
    }
}

/// Frame 0 is the control frame, frame 1 the refresh frame.
impl Device for Watchdog {
    fn read(&mut self, at: Offset, env: &mut Env<'_>) -> u64 {
        match WatchdogFrame::of(at) {
            Some(frame) => self.read(frame, at.within_frame(), env.now).into(),
            None => 0,
        }
    }

    fn write(&mut self, at: Offset, value: u64, env: &mut Env<'_>) {
        if let Some(frame) = WatchdogFrame::of(at) {
            self.write(frame, at.within_frame(), value as u32, env.now);
        }
    }

    fn poll(&mut self, env: &mut Env<'_>) {
        self.poll(env.now);
    }

    fn line(&self) -> bool {
        self.interrupt_line()
    }

    fn deadline(&self) -> Option<u64> {
        self.deadline()
    }

    fn has_fired(&self) -> bool {
        self.has_fired()
    }

    /// The counter starts at zero again.
    fn reset(&mut self) {
        *self = Self::new(0, self.timeout);
    }
}
