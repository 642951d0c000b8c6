//! Checks of every lock, in images with the feature `check-locks` alone.
//!
//! | what is checked | when |
//! |---|---|
//! | a hold takes at most [`HOLD`] instructions, but of locks that no CPU waits for | where a tick of the counter is one |
//! | a CPU that waits is overtaken at most once by each other CPU | always |
//! | no lock is held where a visit to EL2 ends or is divided ([`assert_none_held`]) | always |
//!
//! A lock that is not as it should be is a panic, which names the line where it was taken; the name
//! of the file would need formatting code of boot. Holds before guests run and at the end of the
//! machine are not checked: no guest runs beside them.

use core::panic::Location;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::registers::read_register;

/// The most instructions for which a lock is held. The longest hold is that of the console's lock
/// for a piece of the output of the CPU's own guest, if that redraws its lines at each byte; with
/// these checks it takes 3,900. With more than one CPU at work, QEMU counts the
/// instructions of the others too.
const HOLD: u64 = 4_500;
/// The counter's frequency with which QEMU, where it counts instructions, has one in each tick.
const ONE_TICK_EACH: u64 = 1_000_000_000;
/// The most CPUs of a machine with such an image; on one with more, it panics.
const CPUS: usize = 8;

/// Whether guests run.
static IS_LIVE: AtomicBool = AtomicBool::new(false);
/// The number of locks that each CPU holds.
static HELD: [AtomicU8; CPUS] = [const { AtomicU8::new(0) }; CPUS];

/// What is known of a lock.
pub struct LockChecks {
    /// How often it was taken. Wraps.
    taken: AtomicU32,
    /// When it was taken last, as a counter value; 0 before guests run.
    since: AtomicU64,
    /// The line of the source where it was taken last.
    line: AtomicU32,
    /// Whether no CPU waits for it, so that holds may take longer.
    is_tried: bool,
}

impl LockChecks {
    /// Returns the checks of a lock that was never taken.
    pub const fn new() -> Self {
        let [taken, line] = [const { AtomicU32::new(0) }; 2];
        Self { taken, since: AtomicU64::new(0), line, is_tried: false }
    }

    /// Returns the checks of a lock that no CPU may wait for.
    pub const fn of_tried() -> Self {
        let mut checks = Self::new();
        checks.is_tried = true;
        checks
    }

    /// Returns how often the lock was taken, for a CPU that begins to wait.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Records that this CPU has taken the lock at this place, and checks the other CPUs' turns
    /// since it began to wait, if it did: one each of those that were before it in the queue, and
    /// one more of each.
    pub fn take(&self, place: &Location<'_>, waits_since: Option<u32>) {
        assert!(
            !self.is_tried || waits_since.is_none(),
            "a CPU waited for a lock that is only tried"
        );
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        if let Some(since) = waits_since {
            let others = taken.wrapping_sub(since);
            let others = u64::from(others);
            if others >= 2 * CPUS as u64 {
                let line = u64::from(place.line());
                panic!("overtaken {others} times at the lock taken in a line {line}");
            }
        }
        self.line.store(place.line(), Ordering::Relaxed);
        let is_live = IS_LIVE.load(Ordering::Relaxed);
        self.since.store(if is_live { counter() } else { 0 }, Ordering::Relaxed);
        held().fetch_add(1, Ordering::Relaxed);
    }

    /// Checks how long this CPU has held the lock, which it is about to release.
    pub fn release(&self) {
        held().fetch_sub(1, Ordering::Relaxed);
        let since = self.since.load(Ordering::Relaxed);
        let ticks = counter() - since;
        let is_live = IS_LIVE.load(Ordering::Relaxed) && since != 0 && !self.is_tried;
        if is_live && ticks > HOLD && read_register!("cntfrq_el0") == ONE_TICK_EACH {
            let line = u64::from(self.line.load(Ordering::Relaxed));
            panic!("the lock taken in a line {line} was held for {ticks} instructions");
        }
    }
}

/// Begins the checks of holds, when guests run, or ends them, when the machine ends.
pub fn set_live(is_live: bool) {
    IS_LIVE.store(is_live, Ordering::Relaxed);
}

/// Checks that this CPU holds no lock.
#[track_caller]
pub fn assert_none_held() {
    let count = u64::from(held().load(Ordering::Relaxed));
    assert!(count == 0, "{count} locks are held");
}

/// Returns the number of locks that this CPU holds.
fn held() -> &'static AtomicU8 {
    // MPIDR_EL1.Aff0, which numbers the CPUs of QEMU's `virt` up to the eighth.
    let index = read_register!("mpidr_el1") as usize & 0xff;
    &HELD[index]
}

fn counter() -> u64 {
    read_register!("cntpct_el0")
}
