//! Makes accesses to the interrupt controller that take long or that a neighbour could notice.
//!
//! Command line: `mode=NAME`, one of [`MODES`], and `us=N`, the time that a mode takes in
//! microseconds, unless it ends by itself.

#![no_std]
#![no_main]

mod sweep;

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{fail, println};

runtime::guest!(main, interrupt);

/// The modes, by their names on the command line.
const MODES: [(&str, fn()); 1] = [("sweep", sweep::run)];

fn main() {
    let name = machine().argument("mode").unwrap_or_default();
    match MODES.iter().find(|(mode, _)| *mode == name) {
        Some((_, run)) => run(),
        None => fail!("there is no mode \"{name}\""),
    }
    println!("controller: {name} done");
}

fn interrupt(interrupt: Interrupt) {
    fail!("interrupt {} although all are masked", interrupt.intid);
}
