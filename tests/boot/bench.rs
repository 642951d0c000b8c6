//! The cost of the operations of a guest, on one machine; `make bench` measures more.

use std::env;
use std::fs;

use common::measure::column::Column;
use common::measure::figures::Figures;
use common::measure::row::{Quantity, ROWS};
use common::measure::{LIMIT, firmware, guest, plot, table};
use common::{file, section_size};

/// The limit in percent for another compiler than that of `rust-toolchain.toml`.
const LIMIT_OF_OTHERS: u64 = 50;

fn kept() -> Figures {
    Figures::read(&file("tests/bench/figures.json")).expect("the figures are there")
}

#[test]
fn no_operation_costs_more_than_the_kept_figure() {
    let mut figures = Figures::default();
    for column in [Column::BareV3, Column::Direct] {
        let mut found = guest::measure(column, 1);
        found.extend(firmware::work_around(column));
        for (row, figure) in found {
            figures.set(&row, column, figure.median);
        }
    }
    figures.set("text", Column::Direct, section_size(".text"));
    for row in ROWS.iter().filter(|row| row.quantity == Quantity::Operation) {
        assert!(figures.cost(row, Column::Direct).is_some(), "{} is not measured", row.name);
    }
    let limit = if env::var_os("BUILD_STD").is_some() { LIMIT_OF_OTHERS } else { LIMIT };
    let worse: Vec<_> = figures.worse_than(&kept(), limit).iter().map(table::worse).collect();
    println!("{}", table::terminal(&figures));
    assert!(worse.is_empty(), "more than {limit} % worse than kept:\n{}", worse.join("\n"));
}

#[test]
fn page_and_plot_have_the_kept_figures() {
    let read = |name| fs::read_to_string(file(name)).expect("it is text");
    let page = read("docs/bench.md");
    assert!(table::in_page(&page, &kept()) == page, "docs/bench.md: run `make bench UPDATE=1`");
    assert!(plot::svg(&kept()) == read("docs/bench.svg"), "the plot: run `make bench UPDATE=1`");
}

#[test]
fn figure_that_has_grown_is_reported() {
    let figures = |here| {
        let mut figures = Figures::default();
        figures.set("psci-version", Column::BareV3, 2);
        figures.set("psci-version", Column::Direct, here);
        figures
    };
    let worse = |is| figures(is).worse_than(&figures(102), 5);
    assert!(worse(102).is_empty() && worse(107).is_empty() && worse(90).is_empty());
    let reported: Vec<_> = worse(108).iter().map(table::worse).collect();
    assert_eq!(reported, ["PSCI_VERSION, GICv3 direct: was 100, is 106"]);
}
