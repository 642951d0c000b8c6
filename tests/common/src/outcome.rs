//! The outcome of a run. A failed expectation shows the console and the command that repeats the
//! run.

use crate::files::scratch;
use crate::lines::Lines;
use crate::session::End;

/// QEMU's exit status when every partition has stopped by itself, or the machine was powered off.
pub const SUCCESS: i32 = 0;
/// QEMU's exit status when the description or the machine was refused.
pub const REFUSED: i32 = 2;
/// QEMU's exit status when Bulkhead has stopped a partition.
pub const CRASHED: i32 = 3;
/// QEMU's exit status when Bulkhead has panicked.
pub const PANICKED: i32 = 4;

/// The meanings of the exit statuses that Bulkhead sets by semihosting.
const STATUSES: [(i32, &str); 4] = [
    (SUCCESS, "every partition stopped by itself"),
    (REFUSED, "the description or the machine was refused"),
    (CRASHED, "Bulkhead stopped a partition"),
    (PANICKED, "Bulkhead panicked"),
];

/// The number of console lines that a failure shows.
const SHOWN: usize = 60;

/// The console of a run, and how the run ended.
pub struct Outcome {
    command: String,
    console: String,
    end: End,
}

impl Outcome {
    pub(crate) fn new(command: String, console: String, end: End) -> Self {
        Self { command, console, end }
    }

    /// Returns the text of the console.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// Returns all lines of the console.
    pub fn lines(&self) -> Lines<'_> {
        Lines::of(&self.console)
    }

    /// Returns the lines of a partition, or those of `bulkhead`.
    pub fn of(&self, name: &str) -> Lines<'_> {
        self.lines().from_source(name)
    }

    /// Fails the test and shows the run.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        let log = scratch("log");
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

    /// Fails unless `condition` is true.
    #[track_caller]
    pub fn check(&self, condition: bool, why: &str) -> &Self {
        if !condition {
            self.fail(why);
        }
        self
    }

    /// Expects that QEMU has exited by itself with this status.
    #[track_caller]
    pub fn expect_status(&self, status: i32) -> &Self {
        match self.end {
            End::Exited(exit) if exit.code() == Some(status) => self,
            End::Exited(exit) => {
                let code = exit.code();
                let meaning = STATUSES.iter().find(|(status, _)| code == Some(*status));
                let meaning = meaning.map_or("QEMU failed", |(_, meaning)| meaning);
                self.fail(&format!("the machine ended with {exit} ({meaning}), not {status}"))
            }
            End::TimedOut(limit) => self.fail(&format!("the machine did not end in {limit:?}")),
            End::Killed => self.fail("the machine did not end before it was killed"),
        }
    }

    /// Expects that the machine was still running when it was killed.
    #[track_caller]
    pub fn expect_killed(&self) -> &Self {
        self.check(self.end == End::Killed, "the machine did not run until it was killed")
    }

    /// Expects that every partition stopped by itself, and that nothing has failed.
    #[track_caller]
    pub fn expect_success(&self) -> &Self {
        self.expect_status(SUCCESS);
        self.expect_line("bulkhead", "every partition has stopped");
        self.expect_no_line("FAIL").expect_no_line("PANIC").expect_no_line("panic")
    }

    /// Expects a line of this source that contains `text`.
    #[track_caller]
    pub fn expect_line(&self, name: &str, text: &str) -> &Self {
        let is_there = !self.of(name).containing(text).is_empty();
        self.check(is_there, &format!("[{name}] does not print `{text}`"))
    }

    /// Expects that no line of any source contains `text`.
    #[track_caller]
    pub fn expect_no_line(&self, text: &str) -> &Self {
        let found = self.lines().containing(text);
        self.check(found.is_empty(), &format!("`{text}` is printed: {:?}", found.0.first()))
    }
}
