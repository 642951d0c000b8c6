//! Measures the cost of Bulkhead, in instructions: `make bench` runs this, [docs/bench.md] explains
//! it.
//!
//! The figures are compared with those in `tests/bench/figures.json`, which the argument `update`
//! replaces. With `quick` Linux and the stays in EL2 are skipped, which take most of the time; with
//! `stays` these are measured alone and compared with nothing, and `update` keeps them. With `draw`
//! nothing is measured: the kept figures are written to the picture and the table in docs/bench.md.
//!
//! [docs/bench.md]: ../../docs/bench.md

mod job;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use common::measure::column::Column;
use common::measure::figures::Figures;
use common::measure::row::{Quantity, ROWS};
use common::measure::{LIMIT, guest, plot, table};
use common::root;
use job::{Results, Selection};

fn main() -> ExitCode {
    let is_given = |word| env::args().any(|argument| argument == word);
    let quick = is_given("quick");
    let kept = root().join("tests/bench/figures.json");
    if is_given("draw") {
        let figures = Figures::read(&kept).expect("the figures are there");
        draw(&figures).expect("the picture and the table can be written");
        return ExitCode::SUCCESS;
    }
    let stays = is_given("stays");
    let results = job::run(match (stays, quick) {
        (true, _) => Selection::Stays,
        (_, true) => Selection::Quick,
        _ => Selection::All,
    });
    let mut figures = Figures::default();
    for ((row, column), figure) in &results {
        if ROWS.iter().any(|it| it.key == row) {
            figures.set(row, *column, figure.median);
        }
    }
    println!("\n{}", table::terminal(&figures));
    if stays || !quick {
        for column in Column::partitions() {
            let text = fs::read_to_string(job::stays_file(column)).expect("the file is written");
            println!("{}\n{text}", column.name());
        }
    }
    if stays {
        if is_given("update") {
            let mut kept_figures = Figures::read(&kept).expect("the figures are there");
            kept_figures.replace(&figures, |row| row.quantity == Quantity::Stay);
            let drawn = kept_figures.write(&kept).and_then(|()| draw(&kept_figures));
            drawn.expect("the figures can be kept");
        }
        return ExitCode::SUCCESS;
    }
    if !quick {
        println!("{}", causes(&results));
        write(&results).expect("target/bench can be written");
    }
    if is_given("update") && !quick {
        figures.write(&kept).and_then(|()| draw(&figures)).expect("the figures can be kept");
        return ExitCode::SUCCESS;
    }
    judge(&figures, &kept, !quick)
}

/// Writes the picture, and the table in docs/bench.md.
fn draw(figures: &Figures) -> io::Result<()> {
    fs::write(root().join("docs/bench.svg"), plot::svg(figures))?;
    let page = root().join("docs/bench.md");
    let text = fs::read_to_string(&page)?;
    fs::write(&page, table::in_page(&text, figures))
}

/// Compares the figures with the kept ones and prints those that have grown and, if `all` rows were
/// to be measured, those that are missing.
fn judge(figures: &Figures, kept: &Path, all: bool) -> ExitCode {
    let before = match Figures::read(kept) {
        Ok(before) => before,
        Err(error) => {
            println!("{}: {error}; `make bench UPDATE=1` makes it", kept.display());
            return ExitCode::FAILURE;
        }
    };
    let worse = figures.worse_than(&before, LIMIT);
    worse.iter().for_each(|it| println!("worse: {}", table::worse(it)));
    let missing = if all { figures.missing_since(&before) } else { Vec::new() };
    missing.iter().for_each(|(row, column)| println!("missing: {row} on {column}"));
    if worse.is_empty() && missing.is_empty() {
        println!("no figure is more than {LIMIT} % above that in tests/bench/figures.json");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Returns a table of the exits of Linux to EL2, by cause.
fn causes(results: &Results) -> String {
    let columns: Vec<_> = Column::partitions().collect();
    let mut text = String::new();
    for row in ROWS.iter().filter(|row| row.key.starts_with("exits")) {
        text += &format!("{}\n", row.name);
        for (key, _) in results.keys().filter(|(_, column)| *column == columns[0]) {
            let Some(cause) = key.strip_prefix(row.key).and_then(|it| it.strip_prefix(": ")) else {
                continue;
            };
            let count = |column| results.get(&(key.clone(), column)).map_or(0, |it| it.median);
            let counts: Vec<_> = columns.iter().map(|column| count(*column)).collect();
            if counts.iter().any(|count| *count > 0) {
                text += &format!("  {cause:22}");
                counts.iter().for_each(|count| text += &format!("{:>14}", table::grouped(*count)));
                text += "\n";
            }
        }
    }
    text
}

/// Writes all measurements, with more statistics than the table has, to `target/bench/bench.json`.
fn write(results: &Results) -> io::Result<()> {
    let figure = |figure: &guest::Figure| {
        serde_json::json!({
            "min": figure.min, "median": figure.median, "mean": figure.mean, "max": figure.max,
        })
    };
    let mut rows = serde_json::Map::new();
    for ((row, column), measured) in results {
        let row = rows.entry(row).or_insert_with(|| serde_json::json!({}));
        row[column.key()] = figure(measured);
    }
    let directory = root().join("target/bench");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("bench.json"), serde_json::to_string_pretty(&rows)? + "\n")
}
