//! The longest stays in EL2.

use common::measure::column::Column;
use common::measure::stays::{load, report};

#[test]
fn gicv2() {
    let run = load::run(Column::V2, 1);
    println!("{}\n{}", report::table(&run.stays), report::longest(&run.stays, 2000));
    println!("{} instructions", run.instructions);
}
