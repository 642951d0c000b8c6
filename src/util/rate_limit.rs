//! A rate limit for the lines that guests cause.

/// A limit on the rate of events, with bursts.
///
/// A guest can fault millions of times a second; the lines that Bulkhead prints about it must not
/// flood the console. Times are ticks of a counter that only increases.
pub struct RateLimit {
    /// The ticks that each event uses up.
    period: u64,
    /// The ticks that a burst may use up ahead of time.
    window: u64,
    /// The time up to which past events have used up their periods.
    used_up_to: u64,
    /// How many events were refused since the last that was allowed.
    suppressed: u64,
}

impl RateLimit {
    /// Creates a limit of one event per `period` ticks, and of `burst` events at once. A period of
    /// 0 counts as 1.
    pub const fn new(period: u64, burst: u32) -> Self {
        let period = if period == 0 { 1 } else { period };
        Self { period, window: period.saturating_mul(burst as u64), used_up_to: 0, suppressed: 0 }
    }

    /// Requests an event at the time `now`. If it is allowed, returns how many were refused since
    /// the last that was allowed.
    pub fn allow(&mut self, now: u64) -> Option<u64> {
        let next = self.used_up_to.max(now).saturating_add(self.period);
        if next - now > self.window {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.used_up_to = next;
        Some(core::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_passes_then_one_each_period() {
        let mut limit = RateLimit::new(100, 3);
        let allowed = (0..10).filter(|_| limit.allow(1_000).is_some()).count();
        assert_eq!(allowed, 3);
        assert_eq!(limit.allow(1_099), None);
        assert_eq!(limit.allow(1_100), Some(8));
        assert_eq!(limit.allow(1_150), None);
        assert_eq!(limit.allow(1_200), Some(1));
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate(
            period in 0_u64..1_000,
            burst in 0_u32..10,
            steps in prop::collection::vec(0_u64..500, 1..200),
        ) {
            let mut limit = RateLimit::new(period, burst);
            let mut now = 0_u64;
            let mut allowed = 0_u64;
            for step in steps {
                now += step;
                allowed += u64::from(limit.allow(now).is_some());
                prop_assert!(allowed <= u64::from(burst) + now / period.max(1));
            }
        }

        #[test]
        fn no_counter_value_panics(values: [u64; 16], period: u64, burst: u32) {
            let mut limit = RateLimit::new(period, burst);
            for value in values {
                limit.allow(value);
            }
        }
    }
}
