//! The monitor, by which a person or a guest's script inspects and controls the partitions.
//!
//! A [`Terminal`] takes typed bytes and returns bytes to show. It never waits and buffers no more
//! than a line: it produces an answer line by line, when there is room, one line in each step, so
//! that the time of a step is bounded. [`System`] is its access to the partitions.

mod answer;
mod command;
mod editor;
mod links;
mod output;
mod show;
mod system;
#[cfg(test)]
mod tests;

pub use system::{PortState, PortStatus, Status, System};

use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;

use crate::partition::lifecycle::Order;
use crate::util::ring::{Full, Ring};
use answer::Sample;
use command::{Command, Request, begins_with, is_same};
use editor::{Edit, Editor, INTERRUPT};
use output::{Message, Output, Part};

/// The kind of user at a terminal, which decides how the monitor answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A person: the terminal echoes and edits what is typed, a prompt follows each answer, and
    /// lines end with CR LF.
    Person,
    /// A program: there is no echo and no prompt, lines end with LF, and the last line of each
    /// answer is `ok`, or `error: ` and a message.
    Program,
}

/// The last line of a successful answer to a program.
const OK: &[u8] = b"ok";
/// The beginning of the last line of an answer to a program after an error.
const ERROR: &[u8] = b"error: ";

/// The number of bytes that can be typed ahead.
const TYPED_BYTES: usize = 128;

/// A connection between the monitor and its user.
pub struct Terminal {
    peer: Peer,
    /// Typed bytes that were not processed.
    typed: Ring<TYPED_BYTES>,
    /// Whether Ctrl-C was typed and not processed. It discards what was typed before.
    interrupted: bool,
    editor: Editor,
    /// Whether the line is complete and was not processed.
    entered: bool,
    output: Output,
    /// Whether the line in `output` is not complete.
    is_begun: bool,
    /// The request in the line, which was parsed and not executed.
    request: Option<Request>,
    /// The request that is being answered, and the position of the next line in the answer.
    answer: Option<(Request, u64)>,
    /// For each partition, its counters when this terminal last showed them.
    samples: Vec<Sample>,
}

impl Terminal {
    /// Creates a terminal for a system of this many partitions.
    #[inline(always)]
    pub fn new(peer: Peer, partitions: usize) -> Self {
        Self {
            peer,
            typed: Ring::EMPTY,
            interrupted: false,
            editor: Editor::NEW,
            entered: false,
            output: Output::EMPTY,
            is_begun: false,
            request: None,
            answer: None,
            samples: vec![Sample::default(); partitions],
        }
    }

    /// Takes a typed byte. The caller must call [`Terminal::advance`] next.
    ///
    /// # Errors
    ///
    /// [`Full`] if earlier bytes must be processed first. The caller may retry later.
    pub fn input(&mut self, byte: u8) -> Result<(), Full> {
        if byte != INTERRUPT {
            return self.typed.push(byte);
        }
        (self.typed, self.interrupted) = (Ring::EMPTY, true);
        Ok(())
    }

    /// Shows a person the prompt and the line that is being edited.
    pub fn open(&mut self) {
        if self.peer == Peer::Person && self.answer.is_none() {
            self.editor.draw(&mut self.output);
        }
    }

    /// Discards all input and the rest of the answer.
    pub fn reset(&mut self) {
        (self.typed, self.interrupted, self.answer) = (Ring::EMPTY, false, None);
        (self.editor, self.entered, self.request) = (Editor::NEW, false, None);
        self.is_begun = false;
        self.output.clear();
    }

    /// Passes bytes to show to `sink`, which returns how many of them it takes, or if there are
    /// none, processes input or produces a line of an answer. Returns whether there may be more to
    /// do: not if `sink` has no room for all bytes.
    pub fn advance(
        &mut self,
        system: &mut dyn System,
        sink: &mut dyn FnMut(&[u8]) -> usize,
    ) -> bool {
        let bytes = self.output.bytes();
        if bytes.is_empty() || self.is_begun {
            return self.step(system);
        }
        let taken = sink(bytes);
        let has_room = taken >= bytes.len();
        self.output.skip(taken);
        has_room
    }

    /// Returns whether [`Terminal::advance`] has something to do.
    pub fn has_work(&self) -> bool {
        let has_input = self.interrupted || self.entered || !self.typed.is_empty();
        has_input
            || self.request.is_some()
            || self.answer.is_some()
            || !self.output.bytes().is_empty()
    }

    /// Performs the next step, which leaves at most a line in `output`. Returns whether there was
    /// any.
    fn step(&mut self, system: &mut dyn System) -> bool {
        let is_begun = take(&mut self.is_begun);
        if take(&mut self.interrupted) {
            if is_begun {
                self.output.clear();
            }
            (self.answer, self.entered, self.request) = (None, false, None);
            self.editor.forget();
            self.begin_message();
            self.output.text(if self.peer == Peer::Person { "^C" } else { "interrupted" });
            self.end_message();
        } else if let Some((request, position)) = self.answer {
            self.answer = None;
            match answer::part(request, position, &mut self.samples, system, &mut self.output) {
                Part::Line(next) => {
                    self.answer = Some((request, next));
                    self.end_line();
                }
                Part::Work(next) => {
                    self.answer = Some((request, next));
                    self.is_begun = !self.output.bytes().is_empty();
                }
                Part::End => self.end_answer(),
            }
        } else if take(&mut self.entered) {
            self.parse_line(system);
        } else if let Some(request) = self.request.take() {
            self.begin_message();
            let outcome = self.execute(request, system);
            self.end_request(outcome);
        } else if let Some(byte) = self.typed.pop() {
            self.entered = self.editor.key(byte, &mut self.output) == Edit::Complete;
            if self.peer == Peer::Program {
                self.output.clear();
            }
        } else {
            return false;
        }
        true
    }

    /// Parses the line. Its command is executed in the next step.
    fn parse_line(&mut self, system: &mut dyn System) {
        self.begin_message();
        let request = self.request(system);
        self.editor.begin();
        match request {
            Ok(Some(request)) => {
                self.output.clear();
                self.request = Some(request);
            }
            Ok(None) => self.end_request(Ok(Outcome::Nothing)),
            Err(message) => self.end_request(Err(message)),
        }
    }

    /// Ends the execution of a command.
    fn end_request(&mut self, outcome: Result<Outcome, Message>) {
        let Ok(outcome) = outcome else { return self.end_message() };
        self.output.clear();
        match outcome {
            Outcome::Answer(request) => self.answer = Some((request, 0)),
            Outcome::Done => self.end_answer(),
            Outcome::Nothing if self.peer == Peer::Person => self.end_answer(),
            Outcome::Nothing | Outcome::Elsewhere => {}
        }
    }

    /// Returns the request in the line; `None` if it is empty or an echo.
    fn request(&mut self, system: &dyn System) -> Result<Option<Request>, Message> {
        let Some(line) = self.editor.line() else {
            self.output.text("a line can have at most 68 characters");
            return Err(Message);
        };
        // A guest's terminal may echo answers.
        if self.peer == Peer::Program && (is_same(line, OK) || begins_with(line, ERROR)) {
            return Ok(None);
        }
        command::parse(line, system, &mut self.output)
    }

    /// Executes a request, or leaves it to be answered.
    fn execute(&mut self, request: Request, system: &mut dyn System) -> Result<Outcome, Message> {
        let (order, partition) = match request {
            (Command::Stop, Some(partition)) => (Order::Stop, partition),
            (Command::Start, Some(partition)) => (Order::Start, partition),
            (Command::Restart, Some(partition)) => (Order::Restart, partition),
            (Command::Attach, Some(partition)) => {
                return system.attach(partition).map(|()| Outcome::Elsewhere).map_err(|why| {
                    self.output.text(why);
                    Message
                });
            }
            (Command::PowerOff, _) => {
                system.power_off();
                return Ok(Outcome::Done);
            }
            _ => return Ok(Outcome::Answer(request)),
        };
        system.order(partition, order).map(|()| Outcome::Done).map_err(|why| {
            for text in [system.plan(partition).name.as_str(), " ", why.reason()] {
                self.output.text(text);
            }
            Message
        })
    }

    /// Begins an error message.
    fn begin_message(&mut self) {
        if self.peer == Peer::Program {
            self.output.raw(ERROR);
        }
    }

    /// Ends an error message.
    fn end_message(&mut self) {
        self.end_line();
        if self.peer == Peer::Person {
            self.editor.draw(&mut self.output);
        }
    }

    /// Ends a line. Not inlined, as it has several callers.
    #[inline(never)]
    fn end_line(&mut self) {
        self.output.raw(match self.peer {
            Peer::Person => b"\r\n",
            Peer::Program => b"\n",
        });
    }

    /// Ends a successful answer.
    fn end_answer(&mut self) {
        match self.peer {
            Peer::Person => self.editor.draw(&mut self.output),
            Peer::Program => {
                self.output.raw(OK);
                self.end_line();
            }
        }
    }
}

/// The result of a line.
enum Outcome {
    /// The line was empty.
    Nothing,
    /// The command was executed.
    Done,
    /// The command was executed, and the monitor has lost the input.
    Elsewhere,
    /// The request must be answered.
    Answer(Request),
}
