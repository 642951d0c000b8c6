//! The monitor, by which a person or a guest's script inspects and controls the partitions.
//!
//! A [`Terminal`] takes typed bytes and returns bytes to show. It never waits and buffers no more
//! than a line: it produces an answer line by line, when there is room. [`System`] is its access to
//! the partitions.

mod answer;
mod command;
mod editor;
mod output;
mod show;
mod system;
#[cfg(test)]
mod tests;

pub use system::{Status, System};

use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;

use crate::partition::lifecycle::Order;
use crate::util::ring::{Full, Ring};
use answer::Sample;
use command::{Command, Request};
use editor::{Edit, Editor, INTERRUPT};
use output::{Message, Output};

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
            answer: None,
            samples: vec![Sample::default(); partitions],
        }
    }

    /// Takes a typed byte. The caller must call [`Terminal::run`] next.
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
        (self.editor, self.entered) = (Editor::NEW, false);
        self.output.clear();
    }

    /// Processes input and passes bytes to show to `sink`, until it is full or nothing is left.
    /// Must be called after input, and when a sink that was full has room again.
    pub fn run(&mut self, system: &mut dyn System, sink: &mut dyn FnMut(u8) -> Result<(), Full>) {
        loop {
            while let Some(byte) = self.output.peek() {
                if sink(byte).is_err() {
                    return;
                }
                self.output.pop();
            }
            if !self.step(system) {
                return;
            }
        }
    }

    /// Performs the next step, which leaves at most a line in `output`. Returns whether there was
    /// any.
    fn step(&mut self, system: &mut dyn System) -> bool {
        if take(&mut self.interrupted) {
            (self.answer, self.entered) = (None, false);
            self.editor.forget();
            self.begin_message();
            self.output.text(if self.peer == Peer::Person { "^C" } else { "interrupted" });
            self.end_message();
        } else if let Some((request, position)) = self.answer {
            let next = answer::line(request, position, &mut self.samples, system, &mut self.output);
            self.answer = next.map(|position| (request, position));
            match next {
                Some(_) => self.end_line(),
                None => self.end_answer(),
            }
        } else if take(&mut self.entered) {
            self.execute_line(system);
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

    /// Executes the command in the line.
    fn execute_line(&mut self, system: &mut dyn System) {
        self.begin_message();
        let outcome = self.request(system).and_then(|request| match request {
            Some(request) => self.execute(request, system),
            None => Ok(Outcome::Nothing),
        });
        self.editor.begin();
        let Ok(outcome) = outcome else { return self.end_message() };
        self.output.clear();
        match outcome {
            Outcome::Answer(request) => self.answer = Some((request, 0)),
            Outcome::Done => self.end_answer(),
            Outcome::Nothing if self.peer == Peer::Person => self.end_answer(),
            Outcome::Nothing | Outcome::Elsewhere => {}
        }
    }

    /// Parses the line.
    fn request(&mut self, system: &dyn System) -> Result<Option<Request>, Message> {
        let Some(line) = self.editor.line() else {
            self.output.text("a line can have at most 68 characters");
            return Err(Message);
        };
        // A guest's terminal may echo answers.
        if self.peer == Peer::Program && (line == OK || line.starts_with(ERROR)) {
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
