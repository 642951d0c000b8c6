//! What is made of a run: every way to find fault with it shows the console and how to run it again.

use super::console::Lines;
use super::products;
use super::run::End;

/// QEMU's exit status where every partition stopped by itself, and of a machine switched off.
pub const SUCCESS: i32 = 0;
/// QEMU's exit status where the description or the machine was refused.
pub const REFUSED: i32 = 2;

/// QEMU's exit status where Bulkhead ended a partition.
pub const CRASHED: i32 = 3;
/// QEMU's exit status where Bulkhead itself failed.
pub const PANICKED: i32 = 4;

/// What the exit statuses mean with which Bulkhead leaves.
const STATUSES: [(i32, &str); 4] = [
    (SUCCESS, "every partition stopped by itself"),
    (REFUSED, "the description or the machine was refused"),
    (CRASHED, "a partition was ended by Bulkhead"),
    (PANICKED, "Bulkhead panicked"),
];

/// How many lines of a console a failure shows.
const SHOWN: usize = 60;

/// A run that is over.
pub struct Outcome {
    command: String,
    console: String,
    end: End,
}

impl Outcome {
    pub(super) fn new(command: String, console: String, end: End) -> Self {
        Self { command, console, end }
    }

    /// All that was printed.
    pub fn lines(&self) -> Lines<'_> {
        Lines::of(&self.console)
    }

    /// What a partition printed, or `bulkhead`.
    pub fn of(&self, name: &str) -> Lines<'_> {
        self.lines().from(name)
    }

    /// Fails the test.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        let log = products::scratch("log");
        let _ = std::fs::write(&log, &self.console);
        let lines = self.lines();
        panic!(
            "{why}\n\nThe machine's end: {:?}\nThe last of {} lines of its console, all in {}:\n\n\
             {}\n\nTo run it again:\n{}\n",
            self.end,
            lines.0.len(),
            log.display(),
            lines.tail(SHOWN),
            self.command
        );
    }

    /// Fails unless `condition` holds.
    #[track_caller]
    pub fn check(&self, condition: bool, why: &str) -> &Self {
        if !condition {
            self.fail(why);
        }
        self
    }

    /// The machine came to its end by itself, with this exit status.
    #[track_caller]
    pub fn ends_with(&self, status: i32) -> &Self {
        match self.end {
            End::Exited(exit) if exit.code() == Some(status) => self,
            End::Exited(exit) => {
                let code = exit.code();
                let meaning = STATUSES.iter().find(|(status, _)| code == Some(*status));
                let meaning = meaning.map_or("QEMU failed", |(_, meaning)| meaning);
                self.fail(&format!("the machine ended with {exit} ({meaning}), not {status}"))
            }
            End::TimedOut(limit) => self.fail(&format!("the machine did not end in {limit:?}")),
            End::Unplugged => self.fail("the machine did not end before it was unplugged"),
        }
    }

    /// The machine was still running when it was unplugged.
    #[track_caller]
    pub fn was_unplugged(&self) -> &Self {
        self.check(self.end == End::Unplugged, "the machine did not run until it was unplugged")
    }

    /// Every partition stopped by itself, Bulkhead noticed, and nobody has found a mistake.
    #[track_caller]
    pub fn ends_well(&self) -> &Self {
        self.ends_with(SUCCESS);
        self.says("bulkhead", "every partition has stopped");
        self.nobody_says("FAIL").nobody_says("PANIC").nobody_says("panic")
    }

    /// A line of this source has `text` in it.
    #[track_caller]
    pub fn says(&self, name: &str, text: &str) -> &Self {
        let said = !self.of(name).with(text).is_empty();
        self.check(said, &format!("[{name}] does not say `{text}`"))
    }

    /// No line has `text` in it.
    #[track_caller]
    pub fn nobody_says(&self, text: &str) -> &Self {
        let said = self.lines().with(text);
        self.check(said.is_empty(), &format!("`{text}` is said: {:?}", said.0.first()))
    }
}
