//! Reports the level of an interrupt line to the interrupt controller.

/// Remembers the level of a [level-sensitive](crate::arch::intid::Trigger::Level) interrupt that
/// was last reported.
///
/// A high level is reported again after each call of the device, since a GIC that delivers
/// interrupts directly to the guest cannot tell otherwise whether the guest has taken the interrupt
/// meanwhile (see `Vgic::set_line`). A low level is reported once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineNotifier {
    reported: bool,
}

impl LineNotifier {
    /// A line that is low, as the interrupt controller has it out of reset.
    pub const LOW: Self = Self { reported: false };

    /// Compares the line's level with the one last reported. Returns the level if the caller must
    /// report it; this counts as reported.
    #[inline(always)]
    pub fn update(&mut self, level: bool) -> Option<bool> {
        let before = core::mem::replace(&mut self.reported, level);
        (level || before).then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_high_level_is_reported_each_time_and_a_low_one_once() {
        let mut line = LineNotifier::LOW;
        let levels = [false, true, true, false, false, true];
        let reports = levels.map(|level| line.update(level));
        assert_eq!(reports, [None, Some(true), Some(true), Some(false), None, Some(true)]);
    }
}
