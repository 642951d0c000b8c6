//! The monitor: where a person, or a guest's script, sees and steers the partitions.
//!
//! A [`Terminal`] takes bytes as they are typed and gives bytes to show. It never waits and holds
//! no more than a line: an answer is made a line at a time, when there is room for it. What it
//! tells of, and what it orders, is behind [`System`].

mod answer;
mod command;
mod editor;
mod log;
mod output;
mod show;
mod system;
#[cfg(test)]
mod tests;

pub use log::Log;
pub use system::{Status, System};

use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;

use crate::partition::lifecycle::Order;
use crate::util::ring::{Full, Ring};
use answer::Sample;
use command::{Command, Request};
use editor::{Edit, Editor, INTERRUPT};
use output::{Output, Sentence};

/// Who is at a terminal, which makes a difference in how it talks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A person: what is typed is echoed and can be edited, a prompt follows each answer, and lines
    /// end with CR LF.
    Person,
    /// A program: there is no echo and no prompt, lines end with LF, and the last line of each
    /// answer is `ok`, or `error: ` and a sentence.
    Program,
}

/// The last line of an answer for a program, if all went well.
const OK: &[u8] = b"ok";
/// What its last line begins with if not.
const ERROR: &[u8] = b"error: ";

/// How many bytes can be typed ahead.
const TYPED_BYTES: usize = 128;

/// One place where the monitor is talked to.
pub struct Terminal {
    peer: Peer,
    /// What was typed and not looked at.
    typed: Ring<TYPED_BYTES>,
    /// Ctrl-C was typed and not looked at: what came before it does not count any more.
    interrupted: bool,
    editor: Editor,
    /// The line is complete and was not looked at.
    entered: bool,
    output: Output,
    /// What is being answered, and where its next line begins, as `answer` counts.
    answer: Option<(Request, u64)>,
    /// For each partition, what was counted when it was last asked for.
    samples: Vec<Sample>,
}

impl Terminal {
    /// A terminal for a system of this many partitions.
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

    /// Takes a byte that was typed. [`Terminal::run`] must be called next.
    ///
    /// # Errors
    ///
    /// [`Full`] if what was typed before must be looked at first: offer the byte again later.
    pub fn input(&mut self, byte: u8) -> Result<(), Full> {
        if byte != INTERRUPT {
            return self.typed.push(byte);
        }
        (self.typed, self.interrupted) = (Ring::EMPTY, true);
        Ok(())
    }

    /// Shows a person the prompt and what was typed behind it.
    pub fn open(&mut self) {
        if self.peer == Peer::Person && self.answer.is_none() {
            self.editor.draw(&mut self.output);
        }
    }

    /// Forgets all that was typed and all that would have been answered.
    pub fn reset(&mut self) {
        (self.typed, self.interrupted, self.answer) = (Ring::EMPTY, false, None);
        (self.editor, self.entered) = (Editor::NEW, false);
        self.output.clear();
    }

    /// Does what there is to do, and hands what there is to show to `sink`, until that is full or
    /// nothing is left. To be called after input, and when there is room again where there was none.
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

    /// Does the next thing, which leaves no more than a line in `output`. Whether there was one.
    fn step(&mut self, system: &mut dyn System) -> bool {
        if take(&mut self.interrupted) {
            (self.answer, self.entered) = (None, false);
            self.editor.forget();
            self.begin_sentence();
            self.output.text(if self.peer == Peer::Person { "^C" } else { "interrupted" });
            self.end_sentence();
        } else if let Some((request, position)) = self.answer {
            let next = answer::line(request, position, &mut self.samples, system, &mut self.output);
            self.answer = next.map(|position| (request, position));
            match next {
                Some(_) => self.end_line(),
                None => self.end_answer(),
            }
        } else if take(&mut self.entered) {
            self.obey(system);
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

    /// Does what the line says.
    fn obey(&mut self, system: &mut dyn System) {
        self.begin_sentence();
        let outcome = self.request(system).and_then(|request| match request {
            Some(request) => self.carry_out(request, system),
            None => Ok(Outcome::Nothing),
        });
        self.editor.begin();
        let Ok(outcome) = outcome else { return self.end_sentence() };
        self.output.clear();
        match outcome {
            Outcome::Answer(request) => self.answer = Some((request, 0)),
            Outcome::Done => self.end_answer(),
            Outcome::Nothing if self.peer == Peer::Person => self.end_answer(),
            Outcome::Nothing | Outcome::Elsewhere => {}
        }
    }

    /// What the line asks for, if anything.
    fn request(&mut self, system: &dyn System) -> Result<Option<Request>, Sentence> {
        let Some(line) = self.editor.line() else {
            self.output.text("a line can have 68 characters");
            return Err(Sentence);
        };
        // A guest's terminal that echoes sends back what it was told.
        if self.peer == Peer::Program && (line == OK || line.starts_with(ERROR)) {
            return Ok(None);
        }
        command::parse(line, system, &mut self.output)
    }

    fn carry_out(
        &mut self,
        request: Request,
        system: &mut dyn System,
    ) -> Result<Outcome, Sentence> {
        let (order, partition) = match request {
            (Command::Stop, Some(partition)) => (Order::Stop, partition),
            (Command::Start, Some(partition)) => (Order::Start, partition),
            (Command::Restart, Some(partition)) => (Order::Restart, partition),
            (Command::Attach, Some(partition)) => {
                return system.attach(partition).map(|()| Outcome::Elsewhere).map_err(|why| {
                    self.output.text(why);
                    Sentence
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
            Sentence
        })
    }

    fn begin_sentence(&mut self) {
        if self.peer == Peer::Program {
            self.output.raw(ERROR);
        }
    }

    fn end_sentence(&mut self) {
        self.end_line();
        if self.peer == Peer::Person {
            self.editor.draw(&mut self.output);
        }
    }

    // Out of line, for there are several callers.
    #[inline(never)]
    fn end_line(&mut self) {
        self.output.raw(match self.peer {
            Peer::Person => b"\r\n",
            Peer::Program => b"\n",
        });
    }

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

/// What became of a line.
enum Outcome {
    /// There was nothing in it.
    Nothing,
    /// It is done.
    Done,
    /// It is done, and somebody else has the input now.
    Elsewhere,
    /// It is to be answered.
    Answer(Request),
}
