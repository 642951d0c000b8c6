//! Makes accesses to the interrupt controller that take long or that a neighbour could notice.
//!
//! Command line: `mode=NAME`, one of [`MODES`], and what the mode needs: `us=N`, the time that it
//! takes in microseconds, and `intid=N`, an interrupt.

#![no_std]
#![no_main]

mod ends;
mod sweep;
mod triggers;

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{fail, println};

runtime::guest!(main, interrupt);

/// The modes, by their names on the command line.
const MODES: [(&str, fn()); 5] = [
    ("sweep", sweep::run),
    ("toggle", triggers::toggle),
    ("check", triggers::check),
    ("foreign", ends::foreign),
    ("hold", ends::hold),
];

fn main() {
    let name = machine().argument("mode").unwrap_or_default();
    match MODES.iter().find(|(mode, _)| *mode == name) {
        Some((_, run)) => run(),
        None => fail!("there is no mode \"{name}\""),
    }
    println!("controller: {name} done");
}

/// Returns a number from the command line.
fn number(name: &str) -> u64 {
    match machine().argument(name).and_then(|value| value.parse().ok()) {
        Some(number) => number,
        None => fail!("{name}=N is missing"),
    }
}

fn interrupt(interrupt: Interrupt) {
    fail!("interrupt {} although all are masked", interrupt.intid);
}
