//! The stays as text.

use std::fmt::Write;

use super::causes::{CAUSES, Group};
use super::{Longest, Stays, of_group, statistics};
use crate::measure::table::grouped;

/// The number of functions of a longest stay that are shown.
const SHOWN: usize = 12;

/// Returns a table of the stays by cause, and one by group.
pub fn table(stays: &[Stays]) -> String {
    let mut text = format!(
        "{:30}{:>10}{:>10}{:>12}{:>12}\n",
        "cause of a stay in EL2", "stays", "median", "p99.9", "max"
    );
    for group in Group::ALL {
        line(&mut text, group.key(), of_group(stays, group));
        for (cause, stays) in CAUSES.iter().zip(stays).filter(|(cause, _)| cause.group == group) {
            line(&mut text, &format!("  {}", cause.name), statistics(stays.lengths.clone()));
        }
    }
    text
}

fn line(text: &mut String, name: &str, statistics: Option<super::Statistics>) {
    let Some(it) = statistics else { return };
    let [median, p999, max] = [it.median, it.p999, it.max].map(grouped);
    _ = writeln!(text, "{name:30}{:>10}{median:>10}{p999:>12}{max:>12}", grouped(it.count as u64));
}

/// Returns the functions of the longest stay of each cause that misses the goal of its group.
pub fn misses(stays: &[Stays]) -> String {
    let mut text = String::new();
    for (cause, stays) in CAUSES.iter().zip(stays) {
        let Longest { length, cpu, functions } = &stays.longest;
        let length = u64::from(*length);
        if length <= cause.group.goal() {
            continue;
        }
        _ = writeln!(text, "{}: {} instructions, on CPU {cpu}", cause.name, grouped(length));
        let path: Vec<_> = functions.iter().map(|(name, _)| short(name)).collect();
        _ = writeln!(text, "  way: {}", path[..path.len().min(3 * SHOWN)].join(" > "));
        let mut most: Vec<_> = functions.iter().collect();
        most.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        for (name, count) in most.into_iter().take(SHOWN) {
            _ = writeln!(text, "{:>12}  {name}", grouped(*count));
        }
    }
    text
}

/// Returns the last two identifiers of a path.
fn short(path: &str) -> String {
    let parts: Vec<_> = path.split("::").collect();
    parts[parts.len().saturating_sub(2)..].join("::")
}
