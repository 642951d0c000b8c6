//! One timer for several users, set to the earliest of their deadlines.

use core::sync::atomic::{AtomicU64, Ordering};

/// A user of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The console, for incomplete lines and input that waits.
    Console = 0,
    /// A partition's emulated devices.
    Devices = 1,
    /// The check of a guest's virtual timer that EL2 has masked.
    VirtualTimer = 2,
    /// The interrupts that make a GICv2 of QEMU evaluate its state.
    GicUpdate = 3,
    /// The publication of what a guest has sent by its PL011.
    Uart = 4,
}

const USERS: usize = 5;
/// A counter value that is never reached.
const NEVER: u64 = u64::MAX;

/// The deadlines of one CPU's timer, as counter values.
///
/// Only that CPU uses them; they are atomic because per-CPU data is reached by shared references.
/// Values are stored inverted, so that `NEVER` is zero and the deadlines of all CPUs take no
/// space in the image.
#[derive(Debug)]
pub struct Deadlines {
    /// The deadline of each user.
    wanted: [AtomicU64; USERS],
    /// The deadline that the timer is set to.
    set: AtomicU64,
}

/// How the timer must be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerSetting {
    /// The timer needs no change.
    Same,
    /// The timer must fire when the counter reaches this value.
    At(u64),
    /// The timer must be off.
    Off,
}

impl Deadlines {
    /// Creates deadlines for a timer that is off.
    pub const fn none() -> Self {
        let wanted = [const { AtomicU64::new(!NEVER) }; USERS];
        Self { wanted, set: AtomicU64::new(!NEVER) }
    }

    /// Returns whether a user's deadline is at or before `now`.
    pub fn is_due(&self, user: User, now: u64) -> bool {
        !self.wanted[user as usize].load(Ordering::Relaxed) <= now
    }

    /// Returns whether a user has a deadline.
    pub fn has(&self, user: User) -> bool {
        self.wanted[user as usize].load(Ordering::Relaxed) != !NEVER
    }

    /// Replaces the deadline of `user`, and returns how the timer must be changed.
    pub fn set(&self, user: User, deadline: Option<u64>) -> TimerSetting {
        let wanted = &self.wanted[user as usize];
        let (before, new) = (!wanted.load(Ordering::Relaxed), deadline.unwrap_or(NEVER));
        wanted.store(!new, Ordering::Relaxed);
        let set = !self.set.load(Ordering::Relaxed);
        if new < set {
            self.set.store(!new, Ordering::Relaxed);
            return TimerSetting::At(new);
        }
        if before != set {
            // The earliest is another user's.
            return TimerSetting::Same;
        }
        let wanted = self.wanted.iter().map(|wanted| !wanted.load(Ordering::Relaxed));
        let earliest = wanted.fold(NEVER, u64::min);
        if self.set.load(Ordering::Relaxed) == !earliest {
            return TimerSetting::Same;
        }
        self.set.store(!earliest, Ordering::Relaxed);
        if earliest == NEVER { TimerSetting::Off } else { TimerSetting::At(earliest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_timer_is_set_to_the_earliest_deadline() {
        let timer = Deadlines::none();
        assert_eq!(timer.set(User::Console, None), TimerSetting::Same);
        assert_eq!(timer.set(User::Devices, Some(50)), TimerSetting::At(50));
        assert_eq!(timer.set(User::Console, Some(70)), TimerSetting::Same);
        assert_eq!(timer.set(User::Console, Some(20)), TimerSetting::At(20));
        let due = [19, 20].map(|now| timer.is_due(User::Console, now));
        assert_eq!((due, timer.is_due(User::Devices, 49)), ([false, true], false));
        assert_eq!(timer.set(User::Devices, Some(60)), TimerSetting::Same);
        assert_eq!(timer.set(User::Console, None), TimerSetting::At(60));
        assert_eq!(timer.set(User::Devices, None), TimerSetting::Off);
    }

    proptest! {
        #[test]
        fn the_timer_matches_the_last_deadlines(
            steps in prop::collection::vec((any::<bool>(), prop::option::of(0u64..5)), 1..40)
        ) {
            let deadlines = Deadlines::none();
            let (mut wanted, mut timer) = ([None; 2], None);
            for (watchdog, deadline) in steps {
                wanted[usize::from(watchdog)] = deadline;
                let user = if watchdog { User::Devices } else { User::Console };
                match deadlines.set(user, deadline) {
                    TimerSetting::Same => {}
                    TimerSetting::At(deadline) => {
                        prop_assert_ne!(timer, Some(deadline));
                        timer = Some(deadline);
                    }
                    TimerSetting::Off => {
                        prop_assert!(timer.is_some());
                        timer = None;
                    }
                }
                prop_assert_eq!(timer, wanted.into_iter().flatten().min());
            }
        }
    }
}
