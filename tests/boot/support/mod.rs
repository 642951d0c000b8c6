//! How a machine is started, watched and judged.

mod console;
mod image;
mod judge;
mod machine;
mod products;
mod run;
mod system;

pub use console::Lines;
pub use image::{branch, function, instruction, patched};
pub use judge::{CRASHED, Outcome, PANICKED, REFUSED, SUCCESS};
pub use machine::{Gic, Machine, compile_machine, machine_tree};
pub use products::{file, scratch};
pub use system::{Partition, compile, compile_file, decompile, system};

/// Makes of each function over a [`Gic`] a module with a test for each of the two.
macro_rules! on_both_gics {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn gicv2() {
                super::$name($crate::support::Gic::V2);
            }

            #[test]
            fn gicv3() {
                super::$name($crate::support::Gic::V3);
            }
        })+
    };
}
pub(crate) use on_both_gics;
