//! The figures as text: a table for the terminal, and one for docs/bench.md.

use std::fmt::Write;

use super::column::Column;
use super::figures::{Figures, Worse};
use super::row::{Quantity, ROWS, Row};

/// The widths of a row's name and of a number, in characters.
const NAME: usize = 48;
const NUMBER: usize = 12;

/// Returns the table for the terminal: the figures of the bare machines, then for each machine with
/// Bulkhead the figure, EL2's part, and the ratio to the bare machine.
pub fn terminal(figures: &Figures) -> String {
    let columns: Vec<_> = Column::all().collect();
    let mut text = format!("{:NAME$}", "instructions");
    for column in &columns {
        let name = column.short_name();
        _ = match column.bare() {
            None => write!(text, "{name:>NUMBER$}"),
            Some(_) => write!(text, "{name:>NUMBER$}{:>11} {:>7}", "EL2", "ratio"),
        };
    }
    text += "       goal\n";
    let is_measured = |row: &&Row| columns.iter().any(|it| figures.get(row.key, *it).is_some());
    for row in ROWS.iter().filter(is_measured) {
        let mark = if row.quantity == Quantity::OperationOfSeveral { "~ " } else { "" };
        _ = write!(text, "{:NAME$}", format!("{mark}{}", row.name));
        columns.iter().for_each(|column| cells(&mut text, figures, row, *column));
        text += &format!("{:>11}\n", goals(row));
    }
    text
}

fn cells(text: &mut String, figures: &Figures, row: &Row, column: Column) {
    let dash = || String::from("-");
    let value = figures.get(row.key, column).map_or_else(dash, grouped);
    _ = write!(text, "{value:>NUMBER$}");
    if column.bare().is_none() {
        return;
    }
    let cost = figures.cost(row, column);
    let mark = if is_missed(figures, row, column) { '!' } else { ' ' };
    let is_own = matches!(row.quantity, Quantity::Own | Quantity::Stay | Quantity::Count);
    let cost = cost.filter(|_| !is_own).map_or_else(dash, grouped);
    let marks = if is_own { [mark, ' '] } else { [' ', mark] };
    let ratio = figures.thousandths(row, column).map_or_else(dash, ratio);
    _ = write!(text, "{}{cost:>10}{}{ratio:>7}", marks[0], marks[1]);
}

/// Returns whether a goal is missed.
pub fn is_missed(figures: &Figures, row: &Row, column: Column) -> bool {
    let pair = (row.limit(column), figures.judged(row, column));
    matches!(pair, (Some(limit), Some(judged)) if judged > limit)
}

/// Formats the goals of a row: one for all columns, or one for trapped and one for direct
/// interrupts.
fn goals(row: &Row) -> String {
    let show = |limit| if row.quantity == Quantity::Run { ratio(limit) } else { grouped(limit) };
    match (row.limit(Column::Trapped), row.limit(Column::Direct)) {
        (Some(trapped), Some(direct)) if trapped != direct => {
            format!("{}, {}", show(trapped), show(direct))
        }
        (Some(limit), _) => show(limit),
        (None, Some(direct)) => format!("-, {}", show(direct)),
        (None, None) => "-".into(),
    }
}

/// Describes a figure that has grown.
pub fn worse(it: &Worse) -> String {
    let (was, is) = (grouped(it.was), grouped(it.is));
    format!("{}, {}: was {was}, is {is}", it.row.name, it.column.name())
}

/// Formats a number with commas between its thousands.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats thousandths with three places, or fewer for large numbers.
fn ratio(thousandths: u64) -> String {
    match thousandths {
        ..10_000 => format!("{}.{:03}", thousandths / 1000, thousandths % 1000),
        10_000..100_000 => format!("{}.{}", thousandths / 1000, thousandths % 1000 / 100),
        _ => grouped(thousandths / 1000),
    }
}

/// The lines of docs/bench.md that enclose the table.
const MARKS: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

/// Returns docs/bench.md with the figures in its table.
///
/// # Panics
///
/// If docs/bench.md does not have the lines that enclose the table.
pub fn in_page(page: &str, figures: &Figures) -> String {
    let marked = page.split_once(MARKS[0]);
    let marked = marked.and_then(|(head, rest)| Some((head, rest.split_once(MARKS[1])?.1)));
    let (head, tail) = marked.expect("docs/bench.md marks the place of the figures");
    format!("{head}{}{}{}{tail}", MARKS[0], markdown(figures), MARKS[1])
}

/// Returns the table for docs/bench.md: EL2's part of each row, and the goals.
fn markdown(figures: &Figures) -> String {
    let columns: Vec<_> = Column::partitions().collect();
    let names: Vec<_> = columns.iter().map(|column| column.name()).collect();
    let mut text = format!("| | {} | goal |\n|---|", names.join(" | "));
    text += &"---:|".repeat(columns.len() + 1);
    text.push('\n');
    for row in ROWS {
        let cell = |column| match figures.judged(row, column) {
            Some(thousandths) if row.quantity == Quantity::Run => ratio(thousandths),
            Some(count) => grouped(count),
            None => "-".into(),
        };
        let cells: Vec<_> = columns.iter().map(|column| cell(*column)).collect();
        let goals = match goals(row).as_str() {
            "-" => String::new(),
            goals => goals.into(),
        };
        _ = writeln!(text, "| {} | {} | {goals} |", row.name, cells.join(" | "));
    }
    text
}
