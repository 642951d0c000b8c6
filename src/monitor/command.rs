//! What a line asks for.

use super::System;
use super::output::{Output, Sentence};
use crate::nearest::nearest;

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
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (Some(word), name, rest) = (words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    let Some(Entry(word, takes, command, _)) =
        COMMANDS.iter().find(|entry| entry.0.as_bytes() == word)
    else {
        let known = nearest(word, &mut COMMANDS.iter().map(|entry| entry.0));
        let known = known.as_bytes();
        let sentence: [&[u8]; 5] =
            [b"there is no command \"", cut(word), b"\"; the nearest is \"", known, b"\""];
        return Err(output.sentence(&sentence));
    };
    let excess = if *takes == Name::No { name } else { rest };
    if let Some(excess) = excess {
        let sentence = [word.as_bytes(), b" takes no \"", cut(excess), b"\""];
        return Err(output.sentence(&sentence));
    }
    let partition = match name {
        Some(name) => Some(partition(name, system, output)?),
        None if *takes == Name::Yes => {
            return Err(output.sentence(&[word.as_bytes(), b" needs the name of a partition"]));
        }
        None => None,
    };
    Ok(Some((*command, partition)))
}

/// The partition that is called so, or whose number it is, or the only one whose name begins so.
fn partition(name: &[u8], system: &dyn System, output: &mut Output) -> Result<usize, Sentence> {
    let all = 0..system.partitions();
    let called = |partition: usize| system.plan(partition).name.as_bytes();
    if let Some(exact) = all.clone().find(|it| called(*it) == name) {
        return Ok(exact);
    }
    if let Some(partition) = number(name).and_then(|number| number.checked_sub(1))
        && all.contains(&partition)
    {
        return Ok(partition);
    }
    let mut fitting = all.clone().filter(|it| called(*it).starts_with(name));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => {
            let sentence = [b"\"", cut(name), b"\" can be ", called(one), b" or ", called(other)];
            Err(output.sentence(&sentence))
        }
        (None, _) => {
            let known = nearest(name, &mut all.map(|it| system.plan(it).name.as_str()));
            let (name, known) = (cut(name), known.as_bytes());
            let sentence: [&[u8]; 5] =
                [b"there is no partition \"", name, b"\"; the nearest is \"", known, b"\""];
            Err(output.sentence(&sentence))
        }
    }
}

/// A decimal number of up to three digits.
fn number(digits: &[u8]) -> Option<usize> {
    let is_number = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let value = |sum, digit: &u8| sum * 10 + usize::from(*digit - b'0');
    is_number.then(|| digits.iter().fold(0, value))
}

/// A word as it was typed, as far as a sentence has room for it.
fn cut(word: &[u8]) -> &[u8] {
    /// As long as a partition's name can be.
    const SHOWN: usize = 15;
    &word[..word.len().min(SHOWN)]
}
