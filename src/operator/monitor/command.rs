//! The monitor's commands and their parser.

use super::output::{Message, Output};
use super::system::System;

/// A command of the monitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Help,
    List,
    Show,
    Stats,
    Links,
    Stop,
    Start,
    Restart,
    Attach,
    Log,
    PowerOff,
}

/// Whether a command takes the name of a partition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    No,
    Maybe,
    Yes,
}

/// A command's word, its argument, and its description in `help`.
struct Entry(&'static str, Name, Command, &'static str);

/// All commands, in the order in which `help` shows them.
const COMMANDS: [Entry; 11] = [
    Entry("help", Name::No, Command::Help, "list the commands"),
    Entry("list", Name::No, Command::List, "list the partitions and their state"),
    Entry("show", Name::Yes, Command::Show, "show a partition's resources, and how it last ended"),
    Entry(
        "stats",
        Name::Maybe,
        Command::Stats,
        "count exits to EL2 of all partitions, or of one by cause",
    ),
    Entry(
        "links",
        Name::No,
        Command::Links,
        "list the ends of all links, and what they send and lose",
    ),
    Entry("stop", Name::Yes, Command::Stop, "stop a partition"),
    Entry("start", Name::Yes, Command::Start, "rebuild a partition and start it"),
    Entry(
        "restart",
        Name::Yes,
        Command::Restart,
        "stop a partition if it is running, then start it",
    ),
    Entry("attach", Name::Yes, Command::Attach, "give a partition the console"),
    Entry("log", Name::No, Command::Log, "show the end of Bulkhead's own log"),
    Entry("poweroff", Name::No, Command::PowerOff, "switch the machine off, now"),
];

/// Writes a line of the answer to `help`, and returns whether there is one. The last explains NAME.
pub(super) fn help(line: usize, output: &mut Output) -> bool {
    let Some(Entry(word, name, _, meaning)) = COMMANDS.get(line) else {
        let is_next = line == COMMANDS.len();
        if is_next {
            output.text("NAME is a partition's name, its number, or the beginning of one name.");
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

/// A command, and the index of the partition that it names.
pub(super) type Request = (Command, Option<usize>);

/// Parses a line. Returns `None` if it is empty.
///
/// # Errors
///
/// `output` has a message that says what is wrong.
pub(super) fn parse(
    line: &[u8],
    system: &dyn System,
    output: &mut Output,
) -> Result<Option<Request>, Message> {
    let mut line = line;
    let [word, name, rest] = [(); 3].map(|()| next_word(&mut line));
    let Some(word) = word else { return Ok(None) };
    let Some(Entry(word, takes, command, _)) =
        COMMANDS.iter().find(|entry| is_same(entry.0.as_bytes(), word))
    else {
        return Err(unknown("command", word, "help", output));
    };
    let excess = if *takes == Name::No { name } else { rest };
    if let Some(excess) = excess {
        output.text(word);
        output.quote(" does not accept ", excess);
        return Err(Message);
    }
    let partition = match name {
        Some(name) => Some(partition(name, system, output)?),
        None if *takes == Name::Yes => {
            output.text(word);
            output.text(" needs the name of a partition");
            return Err(Message);
        }
        None => None,
    };
    Ok(Some((*command, partition)))
}

/// Returns whether `text` begins with `start`. Does not call memcmp as `starts_with` does, because
/// that belongs to the code of boot.
pub(super) fn begins_with(text: &[u8], start: &[u8]) -> bool {
    text.len() >= start.len() && text.iter().zip(start).all(|(one, other)| one == other)
}

/// Returns whether both are the same. See [`begins_with`].
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && begins_with(one, other)
}

/// Removes the first word from a line and returns it.
#[inline(never)]
fn next_word<'a>(line: &mut &'a [u8]) -> Option<&'a [u8]> {
    let start = line.iter().position(|byte| *byte != b' ')?;
    let (_, rest) = line.split_at_checked(start)?;
    let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let (word, rest) = rest.split_at_checked(end)?;
    *line = rest;
    Some(word)
}

/// Finds the partition with this name or number, or else the only one whose name begins so.
fn partition(name: &[u8], system: &dyn System, output: &mut Output) -> Result<usize, Message> {
    let (mut begins, mut begin) = (0, None);
    for partition in 0..system.partitions() {
        let called = system.plan(partition).name.as_bytes();
        if is_same(called, name) {
            return Ok(partition);
        }
        if begins_with(called, name) {
            begins += 1;
            begin = Some(partition);
        }
    }
    let number =
        number(name).and_then(|it| it.checked_sub(1)).filter(|it| *it < system.partitions());
    match (number, begin) {
        (Some(partition), _) => Ok(partition),
        (None, Some(partition)) if begins == 1 => Ok(partition),
        (None, Some(_)) => {
            output.quote("more than one name begins with ", name);
            Err(Message)
        }
        (None, None) => Err(unknown("partition", name, "list", output)),
    }
}

/// Returns the number that a word of at most three digits is, without zeros before it.
fn number(word: &[u8]) -> Option<usize> {
    let is_number = word.len() <= 3 && word.first() != Some(&b'0');
    let digits = word.iter().filter(|_| is_number);
    let number = digits.map(|byte| usize::from(*byte)).try_fold(0, |number, byte| {
        (0x30..0x3a)
            .contains(&byte)
            .then(|| 10_usize.wrapping_mul(number).wrapping_add(byte - 0x30))
    });
    number.filter(|number| *number > 0)
}

/// Writes that there is no `kind` with this name, and the command that lists the known ones.
fn unknown(kind: &str, name: &[u8], lists: &str, output: &mut Output) -> Message {
    output.text("there is no ");
    output.text(kind);
    output.quote(" ", name);
    output.text("; all are shown by ");
    output.text(lists);
    Message
}
