//! A board as a device tree.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::boot::fdt::{Tree, Writer};
use crate::boot::machine::*;

/// A complete board, parts of which a test can replace: each function writes one node.
pub struct Board {
    pub root: fn(&mut Writer),
    pub cpus: fn(&mut Writer),
    pub memory: fn(&mut Writer),
    pub gic: fn(&mut Writer),
    pub timer: fn(&mut Writer),
    pub chosen: fn(&mut Writer),
    pub more: fn(&mut Writer),
}

pub const GIC: u32 = 1;

/// A board with a GICv2, two CPUs and addresses of two cells.
pub const BOARD: Board = Board {
    root: |root| {
        root.property_str("model", "test board");
        root.property_u32("interrupt-parent", GIC);
        cells(root, 2, 2);
    },
    cpus: |cpus| {
        cells(cpus, 1, 0);
        cpu(cpus, "cpu@0", |cpu| cpu.property_u32("reg", 0));
        cpu(cpus, "cpu@100", |cpu| cpu.property_u32("reg", 0x100));
    },
    memory: |root| bank(root, "memory@40000000", &[0, 0x4000_0000, 0, 0x1000_0000]),
    gic: |gic| {
        gic.property_str("compatible", "arm,gic-400");
        gic.property_cells("reg", &GIC_V2_REG);
        gic.property_cells("interrupts", &[1, 9, 0xf04]);
    },
    timer: |timer| {
        timer.property_strings("compatible", &["arm,armv8-timer", "arm,armv7-timer"]);
        timer.property_cells("interrupts", &[1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]);
    },
    chosen: |chosen| chosen.property_str("stdout-path", "/uart@9000000:115200n8"),
    more: |_| (),
};

pub const GIC_V2_REG: [u32; 16] = [
    0, 0x800_0000, 0, 0x1000, 0, 0x801_0000, 0, 0x2000, //
    0, 0x803_0000, 0, 0x2000, 0, 0x804_0000, 0, 0x2000,
];

pub fn node(writer: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    writer.begin_node(name);
    fill(writer);
    writer.end_node();
}

pub fn cells(writer: &mut Writer, address: u32, size: u32) {
    writer.property_u32("#address-cells", address);
    writer.property_u32("#size-cells", size);
}

pub fn cpu(cpus: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    node(cpus, name, |cpu| {
        cpu.property_str("device_type", "cpu");
        cpu.property_str("compatible", "arm,cortex-a53");
        fill(cpu);
    });
}

pub fn bank(root: &mut Writer, name: &str, reg: &[u32]) {
    node(root, name, |memory| {
        memory.property_str("device_type", "memory");
        memory.property_cells("reg", reg);
    });
}

impl Board {
    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        node(&mut writer, "", |root| {
            (self.root)(root);
            node(root, "cpus", self.cpus);
            (self.memory)(root);
            node(root, "intc@8000000", |gic| {
                gic.property_u32("phandle", GIC);
                gic.property_u32("#interrupt-cells", 3);
                (self.gic)(gic);
            });
            node(root, "timer", self.timer);
            node(root, "chosen", self.chosen);
            node(root, "uart@9000000", |uart| {
                uart.property_strings("compatible", &["arm,pl011", "arm,primecell"]);
                uart.property_cells("reg", &[0, 0x900_0000, 0, 0x1000]);
                uart.property_cells("interrupts", &[0, 1, 4]);
            });
            (self.more)(root);
        });
        writer.finish()
    }

    pub fn read(&self) -> Result<Machine, MachineError> {
        let bytes = self.bytes();
        let tree = Tree::new(&bytes).unwrap();
        let mut machine = Machine::read(&tree, ConsoleUart::read(&tree))?;
        machine.read_devices(&tree, &|_| true);
        Ok(machine)
    }

    pub fn error(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

pub fn with(change: impl FnOnce(&mut Board)) -> Board {
    let mut board = BOARD;
    change(&mut board);
    board
}
