//! What the integration tests and the benchmark share: machines to boot on QEMU, what is expected
//! of their consoles, device trees, and damage to device trees.

mod description;
mod dump;
mod files;
mod firmware;
mod image;
mod lines;
mod machine;
pub mod measure;
pub mod mends;
pub mod mutations;
mod outcome;
mod session;
mod trees;

pub use description::{
    Partition, compile, compile_file, source, source_with_monitor, system, trapped,
};
pub use dump::{dump, dumped_tree};
pub use files::{board_tree, file, root, scratch, scratch_directory};
pub use firmware::Leaves;
pub use image::{
    branch, elf, function, function_at, instruction, patched, section_size, symbol_at,
};
pub use lines::Lines;
pub use machine::{Gic, Machine};
pub use outcome::{CRASHED, Outcome, PANICKED, REFUSED, SUCCESS};
pub use trees::{compile_machine, decompile, dtc, machine_tree, qemu_is_at_least, qemu_tree};

/// Makes a module of each function over a [`Gic`], with a test for GICv2 and one for GICv3.
#[macro_export]
macro_rules! on_both_gics {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn gicv2() {
                super::$name($crate::Gic::V2);
            }

            #[test]
            fn gicv3() {
                super::$name($crate::Gic::V3);
            }
        })+
    };
}

/// Makes three tests of each function over a [`Gic`]: one for GICv2, one for GICv3 with direct
/// interrupts, and one for GICv3 with trapped interrupts in the module `trapped`.
#[macro_export]
macro_rules! in_all_modes {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn gicv2() {
                super::$name($crate::Gic::V2);
            }

            #[test]
            fn gicv3() {
                super::$name($crate::Gic::V3Direct);
            }
        })+
        mod trapped {
            $(mod $name {
                #[test]
                fn gicv3() {
                    super::super::$name($crate::Gic::V3Trapped);
                }
            })+
        }
    };
}

/// Makes a module of each function over a [`MakeMachine`], with a test for `virt` with GICv2 and
/// with GICv3 with direct and with trapped interrupts, and for a Raspberry Pi 4.
#[macro_export]
macro_rules! on_all_machines {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use $crate::{Gic, Machine};

            #[test]
            fn gicv2() {
                super::$name(&|description| Machine::new(Gic::V2).initrd(description));
            }

            #[test]
            fn gicv3() {
                super::$name(&|description| Machine::new(Gic::V3Direct).initrd(description));
            }

            #[test]
            fn gicv3_trapped() {
                super::$name(&|description| Machine::new(Gic::V3Trapped).initrd(description));
            }

            #[test]
            fn raspi4b() {
                super::$name(&|description| Machine::raspberry_pi(description));
            }
        })+
    };
}

/// Makes a machine that boots Bulkhead with a description, given as a blob.
pub type MakeMachine<'a> = &'a dyn Fn(&std::path::Path) -> Machine;
