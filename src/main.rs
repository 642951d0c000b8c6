//! The EL2 program: from a loader's jump to running guests.

#![no_std]
#![no_main]

extern crate alloc;

mod el2;

use bulkhead::arch::addr::Pa;
use el2::boot::{self, build, cpus};
use el2::drivers::gic;
use el2::mm::heap;
use el2::mm::mmu::Level;
use el2::trap::irq;
use el2::vcpu::idle;
use el2::{console, cpu};

/// What the boot CPU does, with the MMU on.
fn main(level: Level, tree: Pa) -> ! {
    heap::init();
    let firmware = boot::firmware_tree(tree);
    let console = boot::open_console(&firmware);
    boot::check_level(level);
    let mut machine = boot::read_machine(&firmware, console);
    let boot_cpu = cpus::enter_boot_cpu(&machine);
    let description = boot::read_description(&firmware, &mut machine);
    let gic = gic::init(&machine.gic);
    let plan = boot::plan(&firmware, &mut machine, &description, gic.direct());
    boot::report(&machine, &plan);

    irq::init(&machine);
    let tables = plan.table_memory;
    let work = build::prepare(firmware, machine, plan, gic);
    cpus::start_others(work);
    work.take_part(boot_cpu);
    cpus::await_others(work);
    let partitions = work.finish();
    gic.init_distributor();
    cpus::set_up_together();
    boot::audit(work.machine(), partitions, tables);
    console::go_live(partitions, boot_cpu);
    idle::start_guests(partitions)
}

/// What every other CPU does, with its MMU on.
fn secondary_main(index: usize) -> ! {
    cpu::enter(index);
    build::work().take_part(index);
    cpus::set_up_together();
    idle::settle()
}
