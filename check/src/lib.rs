//! Checks a system description against a machine's tree on the developer's machine, with the code
//! that boot runs ([`bulkhead::boot::steps`]): prints the boot report or the refusal, and draws the
//! partitions.

mod decide;
mod map;
mod options;

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;

use decide::Verdict;
use options::Options;

/// The exit status if the description was accepted.
pub const ACCEPTED: u8 = 0;
/// The exit status if booting would refuse the description or the machine.
pub const REFUSED: u8 = 1;
/// The exit status if nothing was checked: a wrong option, or a file that cannot be read or
/// written.
pub const USAGE: u8 = 2;

/// Runs the program with these arguments, the first of which is its name. Returns its exit status.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    let result = match Options::parse(arguments) {
        Ok(options) => check(&options, out),
        Err(message) if message.is_help => {
            write!(out, "{}", message.text).map(|()| ACCEPTED).map_err(|error| error.to_string())
        }
        Err(message) => Err(message.text),
    };
    result.unwrap_or_else(|message| {
        // There is no other place for an error of standard error.
        _ = writeln!(errors, "bulkhead-check: {}", message.trim_end());
        USAGE
    })
}

/// Checks what the options name.
///
/// # Errors
///
/// A sentence, if a file cannot be read or written.
fn check(options: &Options, out: &mut dyn Write) -> Result<u8, String> {
    let Verdict { outcome, assumed } = decide::decide(&options.read_question()?);
    let (text, status) = match &outcome {
        Ok(accepted) => (accepted.report.clone(), ACCEPTED),
        Err(refusal) => (format!("refused: {refusal}\n"), REFUSED),
    };
    let mut lines = text;
    lines.extend(assumed.iter().map(|line| format!("assumed     {line}\n")));
    if let Ok(accepted) = &outcome {
        lines.push_str(decide::NOT_CHECKED);
        if let Some(path) = &options.map {
            write_map(path, &map::draw(&accepted.machine, &accepted.plan))?;
            lines.push_str(&format!("map         {}\n", path.display()));
        }
        lines.push_str("accepted\n");
    }
    out.write_all(lines.as_bytes()).map_err(|error| format!("standard output: {error}"))?;
    Ok(status)
}

fn write_map(path: &Path, map: &str) -> Result<(), String> {
    fs::write(path, map).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
