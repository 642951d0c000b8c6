//! Boards other than `virt` and the Raspberry Pi 4.

use std::path::Path;

use super::{FIRST_UART, Gic, Machine, SECOND_UART};
use crate::description;
use crate::files::file;
use crate::trees::compile_machine;

impl Machine {
    /// Returns the machine of `qemu/NAME.mk`, with its tree, that boots Bulkhead with this
    /// description. `name` is `zcu102`, `versal` or `imx8mp`.
    #[track_caller]
    pub fn board(name: &str, description: &Path) -> Self {
        let (machine, cpu, cpus, serial, tree) = match name {
            "zcu102" => (
                "xlnx-zcu102,virtualization=on",
                "cortex-a53",
                4,
                FIRST_UART,
                Some("xilinx/zynqmp-zcu102-rev1.0.dtb"),
            ),
            // Two of these CPUs are Cortex-R5, which run nothing.
            "versal" => ("xlnx-versal-virt", "cortex-a72", 4, FIRST_UART, None),
            "imx8mp" => {
                ("imx8mp-evk", "cortex-a53", 4, SECOND_UART, Some("freescale/imx8mp-evk.dtb"))
            }
            _ => panic!("there is no board {name}"),
        };
        let machine = Self {
            machine: machine.into(),
            cpu: cpu.into(),
            cpus,
            memory: "2G".into(),
            serial,
            ..Self::new(Gic::V3)
        };
        let machine = machine.initrd(description).option("-audio", "none");
        match tree {
            Some(tree) => machine.tree(&file(&format!("target/linux/trees/{tree}"))),
            None => machine,
        }
    }

    /// Returns a ZCU102 of 1 GiB that boots Bulkhead with this description, given as source. Its
    /// GIC-400 repeats each page over 64 KiB, and its UART is Cadence's.
    #[track_caller]
    pub fn zcu102(description: &str) -> Self {
        let machine =
            Self { machine: "xlnx-zcu102,virtualization=on".into(), ..Self::new(Gic::V2) };
        let tree = include_str!("../zcu102.dts").replace("BOOTARGS", &machine.command_line);
        let tree = compile_machine(&tree);
        let description = description::compile(description);
        machine.tree(&tree).initrd(&description).option("-audio", "none")
    }

    /// Returns an AST2700 of 1 GiB that boots Bulkhead with this description, given as source. Its
    /// UART is a 16550 without an interrupt at the GIC, which is accessed by this number of bytes.
    #[track_caller]
    pub fn ast2700(description: &str, width: u8) -> Self {
        let machine = Self { machine: "ast2700a1-evb".into(), ..Self::new(Gic::V3) };
        let tree = include_str!("../ast2700.dts").replace("BOOTARGS", &machine.command_line);
        let tree = compile_machine(&tree.replace("WIDTH", &width.to_string()));
        let description = description::compile(description);
        machine.cpu("cortex-a35").tree(&tree).initrd(&description)
    }
}
