//! The EL2 program: boots from the loader's jump to running guests.

#![no_std]
#![no_main]

extern crate alloc;

mod el2;

use bulkhead::arch::addr::Pa;
use el2::boot::build::Work;
use el2::boot::entry::{EntryPoints, entry};
use el2::boot::mmu::ExceptionLevel;
use el2::boot::{self, cpus, heap};
use el2::vcpu::resident::Resident;
use el2::vcpu::{settle, start_guests};

/// The program's entry points.
struct Bulkhead;

entry!(Bulkhead);

impl EntryPoints for Bulkhead {
    fn boot(level: ExceptionLevel, tree: Pa) -> ! {
        heap::init();
        let mut firmware = boot::firmware_tree(tree);
        let console = boot::open_console(&firmware);
        boot::check_level(level);
        let mut machine = boot::read_machine(&firmware, console);
        let pool = boot::collect_entropy(&mut firmware, &mut machine);
        let boot_cpu = cpus::enter_boot_cpu(&machine);
        let description = boot::read_description(&firmware, &machine);
        let gic = boot::take_gic(&machine);
        let plan = boot::plan(&firmware, &mut machine, &description, gic);
        boot::report(&machine, &plan, pool.as_deref());
        let wings = boot::wings(&machine, &plan, pool.is_some());
        boot::unmap_unused_code(wings);

        let tables = plan.table_memory;
        let work = Work::new(firmware, machine, plan, gic, pool);
        cpus::start_others(work);
        work.take_part(boot_cpu.cpu.index());
        cpus::await_others(work);
        let partitions = work.finish();
        gic.init_distributor();
        cpus::set_up(boot_cpu, work);
        boot::audit(&work.machine, partitions, tables, work.images, wings);
        work.enable_smmus(tables);
        boot::go_live(gic, &work.machine, partitions, work.console_cpu);
        start_guests(boot_cpu, partitions)
    }

    fn secondary(resident: &'static Resident, work: &'static Work) -> ! {
        work.take_part(resident.cpu.index());
        cpus::set_up(resident, work);
        settle(resident)
    }
}
