//! How a machine is started, watched and judged.

mod console;
mod dump;
mod firmware;
mod image;
mod judge;
mod machine;
mod products;
mod run;
mod system;

pub use console::Lines;
pub use dump::{dump, dumped_tree};
pub use image::{branch, function, function_at, instruction, patched, section_size};
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

/// The same with interrupts on GICv3 that are direct and that are trapped: three tests.
macro_rules! in_all_modes {
    ($($name:ident),+ $(,)?) => {
        $crate::support::on_both_gics!($($name),+);
        mod trapped {
            $(mod $name {
                #[test]
                fn gicv3() {
                    super::super::$name($crate::support::Gic::V3Trapped);
                }
            })+
        }
    };
}
pub(crate) use in_all_modes;

/// Makes of each function over a description's [`Machine`] a module with a test for each of those
/// that Bulkhead is for: `virt` with either GIC and in either mode, and a Raspberry Pi 4.
macro_rules! on_all_machines {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use crate::support::{Gic, Machine, file};

            #[test]
            fn gicv2() {
                super::$name(&|description| Machine::new(Gic::V2).initrd(description));
            }

            #[test]
            fn gicv3() {
                super::$name(&|description| Machine::new(Gic::V3).initrd(description));
            }

            #[test]
            fn gicv3_trapped() {
                super::$name(&|description| Machine::new(Gic::V3Trapped).initrd(description));
            }

            #[test]
            fn raspi4b() {
                let tree = file("target/linux/bcm2711-rpi-4-b.dtb");
                let image = || file("target/bulkhead.img");
                super::$name(&|description| Machine::raspberry_pi(image(), &tree, description));
            }
        })+
    };
}
pub(crate) use on_all_machines;

/// Makes the machine for a description.
pub type MakeMachine<'a> = &'a dyn Fn(&std::path::Path) -> Machine;
