//! The longest stays in EL2.

use common::measure::column::Column;
use common::measure::stays::load::{self, Load};
use common::measure::stays::report;

fn show(load: Load) {
    let run = load::run(Column::V2, load, 20_000_000);
    println!("{}\n{}", report::table(&run.stays), report::longest(&run.stays, 2000));
    println!("{}", run.outcome.lines().tail(60));
    println!("{} instructions", run.instructions);
}

#[test]
fn flood() {
    show(Load::Flood);
}

#[test]
fn orders() {
    show(Load::Orders);
}
