//! What a line asks for.

use super::output::{Digits, Output, Sentence};
use super::system::System;
use crate::util::nearest::nearest;

/// What the monitor can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Help,
    List,
    Show,
    Stats,
    Stop,
    Start,
    Restart,
    Attach,
    Log,
    PowerOff,
}

/// Whether a command is about a partition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    No,
    Maybe,
    Yes,
}

/// A command's word, its argument, and what is said about it.
struct Entry(&'static str, Name, Command, &'static str);

/// All commands, in the order in which `help` shows them.
const COMMANDS: [Entry; 10] = [
    Entry("help", Name::No, Command::Help, "this list"),
    Entry("list", Name::No, Command::List, "the partitions and how they are"),
    Entry("show", Name::Yes, Command::Show, "what a partition has, and how it ended last"),
    Entry("stats", Name::Maybe, Command::Stats, "how often guests came to EL2: all, or by cause"),
    Entry("stop", Name::Yes, Command::Stop, "stop a partition"),
    Entry("start", Name::Yes, Command::Start, "build a partition again and start it"),
    Entry("restart", Name::Yes, Command::Restart, "stop a partition if it runs, then start it"),
    Entry("attach", Name::Yes, Command::Attach, "give a partition the input and the screen"),
    Entry("log", Name::No, Command::Log, "the last lines of Bulkhead's own"),
    Entry("poweroff", Name::No, Command::PowerOff, "switch the machine off, now"),
];

/// The lines of `help`. The line behind the last command says what a name can be.
pub(super) fn help(line: usize, output: &mut Output) -> bool {
    let Some(Entry(word, name, _, meaning)) = COMMANDS.get(line) else {
        let is_next = line == COMMANDS.len();
        if is_next {
            output.text(
                "A NAME can be cut short as long as it fits one partition, or be its number.",
            );
        }
        return is_next;
    };
    output.text(word);
    output.text(match name {
        Name::No => "",
        Name::Maybe => " [NAME]",
        Name::Yes => " NAME",
    });
    output.column(16);
    output.text(meaning);
    true
}

/// A command with the partition that it is about, if it is about one.
pub(super) type Request = (Command, Option<usize>);

/// What `line` asks for; `None` if it is empty.
///
/// # Errors
///
/// What is wrong is in `output`, as a sentence.
pub(super) fn parse(
    line: &[u8],
    system: &dyn System,
    output: &mut Output,
) -> Result<Option<Request>, Sentence> {
    let mut line = line;
    let [word, name, rest] = [(); 3].map(|()| next_word(&mut line));
    let Some(word) = word else { return Ok(None) };
    let Some(Entry(word, takes, command, _)) =
        COMMANDS.iter().find(|entry| entry.0.as_bytes() == word)
    else {
        return Err(unknown("command", word, &mut COMMANDS.iter().map(|entry| entry.0), output));
    };
    let excess = if *takes == Name::No { name } else { rest };
    if let Some(excess) = excess {
        output.text(word);
        output.quote(" takes no ", excess);
        return Err(Sentence);
    }
    let partition = match name {
        Some(name) => Some(partition(name, system, output)?),
        None if *takes == Name::Yes => {
            output.text(word);
            output.text(" needs the name of a partition");
            return Err(Sentence);
        }
        None => None,
    };
    Ok(Some((*command, partition)))
}

/// Takes the first word off a line, if there is one.
#[inline(never)]
fn next_word<'a>(line: &mut &'a [u8]) -> Option<&'a [u8]> {
    let start = line.iter().position(|byte| *byte != b' ')?;
    let (_, rest) = line.split_at_checked(start)?;
    let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let (word, rest) = rest.split_at_checked(end)?;
    *line = rest;
    Some(word)
}

/// The partition that is called so, or whose number it is, or the only one whose name begins so.
fn partition(name: &[u8], system: &dyn System, output: &mut Output) -> Result<usize, Sentence> {
    let (mut begins, mut begin) = (0, None);
    let mut number = None;
    for partition in 0..system.partitions() {
        let called = system.plan(partition).name.as_bytes();
        if called == name {
            return Ok(partition);
        }
        if Digits::of(partition as u64 + 1).text() == name {
            number = Some(partition);
        }
        if called.starts_with(name) {
            begins += 1;
            begin = Some(partition);
        }
    }
    match (number, begin) {
        (Some(partition), _) => Ok(partition),
        (None, Some(partition)) if begins == 1 => Ok(partition),
        (None, Some(_)) => {
            output.quote("more than one name begins with ", name);
            Err(Sentence)
        }
        (None, None) => {
            let mut names = (0..system.partitions()).map(|it| system.plan(it).name.as_str());
            Err(unknown("partition", name, &mut names, output))
        }
    }
}

/// Says that there is no such thing.
fn unknown(
    kind: &str,
    name: &[u8],
    known: &mut dyn Iterator<Item = &str>,
    output: &mut Output,
) -> Sentence {
    output.text("there is no ");
    output.text(kind);
    output.quote(" ", name);
    output.quote("; the nearest is ", nearest(name, known).as_bytes());
    Sentence
}
