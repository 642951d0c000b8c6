//! One timer for several users: it waits for the earliest of what they want.

use core::sync::atomic::{AtomicU64, Ordering};

/// Who wants something of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The console, for a line that waits for its end.
    Console = 0,
    /// A partition's watchdog.
    Watchdog = 1,
}

const USERS: usize = 2;
/// The value of a counter that it never reaches.
const NEVER: u64 = u64::MAX;

/// The deadlines of one timer, that of a CPU, on which alone they are set.
///
/// They are kept inverted, so that [`NEVER`] is zero and an image need not hold those of all CPUs.
#[derive(Debug)]
pub struct Deadlines {
    wanted: [AtomicU64; USERS],
    /// The earliest of them: what the timer was set to.
    set: AtomicU64,
}

/// What the timer has to be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It is as it has to be.
    Same,
    /// It has to wait for the counter to reach this.
    At(u64),
    /// It has to be off.
    Off,
}

impl Deadlines {
    /// Nobody wants anything, and the timer is off.
    pub const fn none() -> Self {
        let wanted = [const { AtomicU64::new(!NEVER) }; USERS];
        Self { wanted, set: AtomicU64::new(!NEVER) }
    }

    /// Notes what `user` wants from now on, in place of what it wanted before.
    pub fn set(&self, user: User, deadline: Option<u64>) -> Setting {
        self.wanted[user as usize].store(!deadline.unwrap_or(NEVER), Ordering::Relaxed);
        let wanted = self.wanted.iter().map(|wanted| !wanted.load(Ordering::Relaxed));
        let earliest = wanted.fold(NEVER, u64::min);
        if self.set.load(Ordering::Relaxed) == !earliest {
            return Setting::Same;
        }
        self.set.store(!earliest, Ordering::Relaxed);
        if earliest == NEVER { Setting::Off } else { Setting::At(earliest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_earliest_counts() {
        let timer = Deadlines::none();
        assert_eq!(timer.set(User::Console, None), Setting::Same);
        assert_eq!(timer.set(User::Watchdog, Some(50)), Setting::At(50));
        assert_eq!(timer.set(User::Console, Some(70)), Setting::Same);
        assert_eq!(timer.set(User::Console, Some(20)), Setting::At(20));
        assert_eq!(timer.set(User::Watchdog, Some(60)), Setting::Same);
        assert_eq!(timer.set(User::Console, None), Setting::At(60));
        assert_eq!(timer.set(User::Watchdog, None), Setting::Off);
    }

    proptest! {
        #[test]
        fn the_timer_is_what_was_wanted_last(
            steps in prop::collection::vec((any::<bool>(), prop::option::of(0u64..5)), 1..40)
        ) {
            let deadlines = Deadlines::none();
            let (mut wanted, mut timer) = ([None; 2], None);
            for (watchdog, deadline) in steps {
                wanted[usize::from(watchdog)] = deadline;
                let user = if watchdog { User::Watchdog } else { User::Console };
                match deadlines.set(user, deadline) {
                    Setting::Same => {}
                    Setting::At(deadline) => {
                        prop_assert_ne!(timer, Some(deadline));
                        timer = Some(deadline);
                    }
                    Setting::Off => {
                        prop_assert!(timer.is_some());
                        timer = None;
                    }
                }
                prop_assert_eq!(timer, wanted.into_iter().flatten().min());
            }
        }
    }
}
