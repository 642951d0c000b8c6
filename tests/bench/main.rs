//! What Bulkhead costs, in instructions: `make bench` runs this. [docs/bench.md] says how.
//!
//! With the argument `update` the figures are kept, in place of those that they are held against; with
//! `quick` Linux is left out, which takes most of the time. `draw` measures nothing and makes the picture and
//! the table in docs/bench.md anew.
//!
//! [docs/bench.md]: ../../docs/bench.md

#[allow(dead_code, unused_imports, unused_macros, reason = "the boot tests use the rest of it")]
#[path = "../boot/support/mod.rs"]
mod support;

mod job;
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use job::Results;
use measure::column::Column;
use measure::figures::Figures;
use measure::row::ROWS;
use measure::{LIMIT, guest, plot, table};

fn main() -> ExitCode {
    let is_asked = |word| env::args().any(|argument| argument == word);
    let quick = is_asked("quick");
    let kept = root("tests/bench/figures.json");
    if is_asked("draw") {
        let figures = Figures::read(&kept).expect("the figures are there");
        draw(&figures).expect("the picture and the table can be written");
        return ExitCode::SUCCESS;
    }
    let results = job::run_all(!quick);
    let mut figures = Figures::default();
    for ((row, column), figure) in &results {
        if ROWS.iter().any(|it| it.key == row) {
            figures.set(row, *column, figure.median);
        }
    }
    println!("\n{}", table::terminal(&figures));
    if !quick {
        println!("{}", causes(&results));
        write(&results).expect("target/bench can be written");
    }
    if is_asked("update") && !quick {
        figures.write(&kept).and_then(|()| draw(&figures)).expect("the figures can be kept");
        return ExitCode::SUCCESS;
    }
    judge(&figures, &kept, !quick)
}

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Shows the figures: as a picture, and in docs/bench.md.
fn draw(figures: &Figures) -> io::Result<()> {
    fs::write(root("docs/bench.svg"), plot::svg(figures))?;
    let page = root("docs/bench.md");
    let text = fs::read_to_string(&page)?;
    fs::write(&page, table::in_page(&text, figures))
}

/// Says what has become worse, and what is not measured any more, if `all` of it should be.
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
    let lost = if all { figures.lost_since(&before) } else { Vec::new() };
    lost.iter().for_each(|(row, column)| println!("lost: {row} on {column}"));
    if worse.is_empty() && lost.is_empty() {
        println!("no figure is more than {LIMIT} % worse than tests/bench/figures.json has it");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// How often Linux came to EL2, by cause.
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

/// All that was measured, for whoever wants more than the table.
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
    let directory = root("target/bench");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("bench.json"), serde_json::to_string_pretty(&rows)? + "\n")
}
