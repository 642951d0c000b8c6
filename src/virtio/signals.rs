//! What a device tells its driver. Any CPU may do so, without a lock: a peer's too.
//!
//! | bits | meaning |
//! |---|---|
//! | 1:0 | InterruptStatus: a buffer was used; the configuration has changed |
//! | 8 | the device needs a reset |
//! | 9 | the link is up |
//! | 31:16 | ConfigGeneration |

use crate::util::atomic::{AtomicU32, Ordering};

/// InterruptStatus: a buffer was used.
pub const USED_BUFFER: u32 = 1;
/// InterruptStatus: the configuration has changed.
pub const CONFIGURATION: u32 = 2;
/// All bits of InterruptStatus. The vectors use the signals too.
pub const INTERRUPTS: u32 = USED_BUFFER | CONFIGURATION;
/// The device needs a reset.
const NEEDS_RESET: u32 = 1 << 8;
/// The link is up.
const LINK_UP: u32 = 1 << 9;
/// The lowest bit of the generation.
const GENERATION: u32 = 1 << 16;

/// The signals of a device. The interrupt is asserted while InterruptStatus is not 0.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Signals {
    bits: AtomicU32,
}

impl Signals {
    /// Reports used buffers. Returns whether the interrupt was not asserted, so that the caller
    /// must assert it.
    #[must_use]
    #[inline]
    pub fn report_used(&self) -> bool {
        self.bits.fetch_or(USED_BUFFER, Ordering::AcqRel) & INTERRUPTS == 0
    }

    /// Reports that the driver has made a mistake. Returns whether the interrupt was not asserted.
    #[must_use]
    pub fn report_fault(&self) -> bool {
        self.bits.fetch_or(NEEDS_RESET | CONFIGURATION, Ordering::AcqRel) & INTERRUPTS == 0
    }

    /// Sets whether the link is up, and reports it if that is new. Returns whether the caller must
    /// assert the interrupt.
    #[must_use]
    pub fn set_link(&self, is_up: bool) -> bool {
        let link = if is_up { LINK_UP } else { 0 };
        let changed = |bits: u32| {
            let next = (bits & !LINK_UP | link).wrapping_add(GENERATION) | CONFIGURATION;
            (bits & LINK_UP != link).then_some(next)
        };
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        self.bits.fetch_update(set, fetch, changed).is_ok_and(|bits| bits & INTERRUPTS == 0)
    }

    /// Returns InterruptStatus.
    #[inline]
    pub fn interrupts(&self) -> u32 {
        self.bits.load(Ordering::Acquire) & INTERRUPTS
    }

    /// Clears bits of InterruptStatus, and returns whether the interrupt is still asserted.
    #[must_use]
    #[inline]
    pub fn acknowledge(&self, bits: u32) -> bool {
        let bits = bits & INTERRUPTS;
        self.bits.fetch_and(!bits, Ordering::AcqRel) & INTERRUPTS & !bits != 0
    }

    /// Returns whether the device needs a reset.
    pub fn needs_reset(&self) -> bool {
        self.bits.load(Ordering::Acquire) & NEEDS_RESET != 0
    }

    /// Returns whether the link is up.
    pub fn is_link_up(&self) -> bool {
        self.bits.load(Ordering::Acquire) & LINK_UP != 0
    }

    /// Returns ConfigGeneration.
    pub fn generation(&self) -> u32 {
        self.bits.load(Ordering::Acquire) / GENERATION
    }

    /// Clears what a reset of the device clears: all but the link's state and the generation.
    pub fn reset(&self) {
        self.bits.fetch_and(!(INTERRUPTS | NEEDS_RESET), Ordering::AcqRel);
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_is_asserted_once_until_it_is_acknowledged() {
        let signals = Signals::default();
        assert!(signals.report_used());
        assert!(!signals.report_used());
        assert!(!signals.report_fault());
        assert_eq!(signals.interrupts(), USED_BUFFER | CONFIGURATION);
        assert!(signals.acknowledge(USED_BUFFER));
        assert!(!signals.acknowledge(CONFIGURATION));
        assert!(signals.report_used());
        assert!(signals.needs_reset());
        signals.reset();
        assert!(!signals.needs_reset());
        assert_eq!(signals.interrupts(), 0);
    }

    #[test]
    fn a_change_of_the_link_changes_the_generation_once() {
        let signals = Signals::default();
        assert!(!signals.set_link(false));
        assert!(signals.set_link(true));
        assert!(!signals.set_link(true));
        assert_eq!((signals.generation(), signals.is_link_up()), (1, true));
        assert!(!signals.set_link(false), "the interrupt is asserted already");
        assert_eq!((signals.generation(), signals.is_link_up()), (2, false));
        signals.reset();
        assert_eq!(signals.generation(), 2);
    }
}
