//! What costs a guest how many instructions, on one machine: `make bench` measures more.

use std::env;
use std::fs;

use crate::measure::column::Column;
use crate::measure::figures::Figures;
use crate::measure::{LIMIT, guest, plot, table};
use crate::support::file;

/// Another compiler than that of `rust-toolchain.toml` makes other code.
const LIMIT_OF_OTHERS: u64 = 50;

fn kept() -> Figures {
    Figures::read(&file("tests/bench/figures.json")).expect("the figures are there")
}

#[test]
fn no_path_costs_more_than_it_did() {
    let mut figures = Figures::default();
    for column in [Column::BareV3, Column::Direct] {
        for (row, figure) in guest::measure(column, 1) {
            figures.set(&row, column, figure.median);
        }
    }
    let limit = if env::var_os("BUILD_STD").is_some() { LIMIT_OF_OTHERS } else { LIMIT };
    let worse: Vec<_> = figures.worse_than(&kept(), limit).iter().map(table::worse).collect();
    println!("{}", table::terminal(&figures));
    assert!(worse.is_empty(), "more than {limit} % worse than kept:\n{}", worse.join("\n"));
}

#[test]
fn the_readme_and_the_plot_have_the_kept_figures() {
    let read = |name| fs::read_to_string(file(name)).expect("it is text");
    let readme = read("README.md");
    assert!(table::in_readme(&readme, &kept()) == readme, "README.md: run `make bench UPDATE=1`");
    assert!(plot::svg(&kept()) == read("docs/bench.svg"), "the plot: run `make bench UPDATE=1`");
}
