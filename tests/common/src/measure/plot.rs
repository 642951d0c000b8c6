//! The figures as a picture: EL2's part, a line for each row, on a logarithmic scale.

use std::fmt::Write;

use super::column::Column;
use super::figures::Figures;
use super::row::{Goal, Quantity, ROWS, Row};
use super::table::grouped;

const WIDTH: u32 = 900;
/// Where the names end, and where the scale begins and ends, in user units.
const NAMES: u32 = 330;
const LEFT: f64 = 390.0;
const RIGHT: f64 = 870.0;
/// Where zero is drawn, which a logarithmic scale does not have.
const ZERO: f64 = 355.0;
const TOP: u32 = 86;
const LINE: u32 = 22;
/// The vertical distance between the dots of a row, so that none hides another.
const STEP: u32 = 6;
/// The scale goes from 1 to ten to this power.
const DECADES: i32 = 8;

const STYLE: &str = "
    .card { fill: #ffffff; stroke: #1f3a5f; stroke-width: 2 }
    .name { fill: #24292f; font-size: 12px } .small { fill: #57606a; font-size: 11px }
    .grid { stroke: #d8dee4 } .line { stroke: #eaeef2; stroke-width: 18 }
    .goal { stroke: #24292f; stroke-width: 2 }
    .gicv2 { fill: #bc4c00 } .gicv3-trapped { fill: #0969da } .gicv3-direct { fill: #1a7f37 }
";

/// Returns the picture as an SVG file.
pub fn svg(figures: &Figures) -> String {
    let rows: Vec<_> = ROWS.iter().filter(|row| is_shown(row)).collect();
    let bottom = TOP + LINE * rows.len() as u32;
    let height = bottom + 40;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\">\n  <title>Instructions that EL2 adds</title>\n  \
         <style>{STYLE}  </style>\n  <rect x=\"1\" y=\"1\" width=\"{}\" height=\"{}\" \
         class=\"card\"/>\n",
        WIDTH - 2,
        height - 2
    );
    text += "  <text x=\"20\" y=\"30\" class=\"name\" font-weight=\"bold\">\
             Instructions that EL2 adds to a guest's act</text>\n";
    legend(&mut text);
    scale(&mut text, bottom);
    for (index, row) in rows.iter().enumerate() {
        line(&mut text, figures, row, TOP + LINE * index as u32 + LINE / 2);
    }
    text + "</svg>\n"
}

/// Returns whether a row is part of the picture: only numbers of instructions are.
fn is_shown(row: &Row) -> bool {
    !matches!(row.quantity, Quantity::Run | Quantity::Count)
}

fn legend(text: &mut String) {
    let mut x = 20;
    for column in Column::partitions() {
        _ = writeln!(
            text,
            "  <circle cx=\"{}\" cy=\"50\" r=\"5\" class=\"{}\"/><text x=\"{}\" y=\"54\" \
             class=\"name\">{}</text>",
            x + 5,
            column.key(),
            x + 15,
            column.name()
        );
        x += 125;
    }
    _ = writeln!(
        text,
        "  <path d=\"M{x} 43v14\" class=\"goal\"/><text x=\"{}\" y=\"54\" class=\"name\">goal \
         (the lower one: direct)</text>",
        x + 8
    );
}

/// Returns the horizontal position of a number.
fn place(value: u64) -> f64 {
    match value {
        0 => ZERO,
        _ => LEFT + (value as f64).log10() * (RIGHT - LEFT) / f64::from(DECADES),
    }
}

fn scale(text: &mut String, bottom: u32) {
    let ticks = (0..=DECADES as u32).map(|power| 10_u64.pow(power));
    for value in [0].into_iter().chain(ticks) {
        let x = place(value);
        _ = writeln!(
            text,
            "  <path d=\"M{x:.1} {TOP}V{bottom}\" class=\"grid\"/><text x=\"{x:.1}\" y=\"{}\" \
             text-anchor=\"middle\" class=\"small\">{}</text>",
            bottom + 18,
            short(value)
        );
    }
}

/// Formats a power of ten for the scale.
fn short(value: u64) -> String {
    match value {
        1_000_000.. => format!("{}M", value / 1_000_000),
        1_000.. => format!("{}k", value / 1_000),
        _ => value.to_string(),
    }
}

fn line(text: &mut String, figures: &Figures, row: &Row, y: u32) {
    let name = row.name;
    _ = writeln!(
        text,
        "  <text x=\"{NAMES}\" y=\"{}\" text-anchor=\"end\" class=\"name\">{name}</text>",
        y + 4
    );
    let costs: Vec<_> = Column::partitions()
        .filter_map(|column| Some((column, figures.cost(row, column)?)))
        .collect();
    let places = costs.iter().map(|(_, cost)| place(*cost));
    let (left, right) = places.fold((RIGHT, ZERO), |(left, right), x| (left.min(x), right.max(x)));
    if left < right {
        _ = writeln!(text, "  <path d=\"M{left:.1} {y}H{right:.1}\" class=\"line\"/>");
    }
    for goal in goals(row.goal) {
        let x = place(goal);
        _ = writeln!(text, "  <path d=\"M{x:.1} {}v18\" class=\"goal\"/>", y - 9);
    }
    for (index, (column, cost)) in costs.into_iter().enumerate() {
        _ = writeln!(
            text,
            "  <circle cx=\"{:.1}\" cy=\"{}\" r=\"3.5\" class=\"{}\"><title>{}, {}: {}</title>\
             </circle>",
            place(cost),
            y - STEP + STEP * index as u32,
            column.key(),
            name,
            column.name(),
            grouped(cost)
        );
    }
}

fn goals(goal: Goal) -> Vec<u64> {
    match goal {
        Goal::Most(most) => vec![most],
        Goal::ByMode(trapped, direct) => vec![trapped, direct],
        Goal::Direct(direct) => vec![direct],
        Goal::None | Goal::Thousandths(_) => Vec::new(),
    }
}
