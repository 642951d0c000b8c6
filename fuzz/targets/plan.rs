//! Fuzzes the Plan with a machine's tree and a description that follows it: either the description
//! is refused with a sentence, or the tables of the Plan pass the audit.

#![no_main]

use bulkhead::arch::addr::{PAGE_SIZE, Pa};
use bulkhead::boot::audit;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::guest_tree;
use bulkhead::boot::machine::{ConsoleUart, Machine};
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::plan::Plan;
use bulkhead::boot::description::Description;
use bulkhead::mm::tables::{Table, Tables};
use libfuzzer_sys::fuzz_target;

/// More tables take too long to walk.
const MAX_TABLES: u64 = 256;

fuzz_target!(|bytes: &[u8]| {
    let Ok(size) = Tree::total_size(bytes) else { return };
    let Some((machine_tree, description)) = bytes.split_at_checked(size) else { return };
    let Ok(tree) = Tree::new(machine_tree) else { return };
    let Ok(mut machine) = Machine::read(&tree, ConsoleUart::read(&tree)) else { return };
    let Ok(description) = Tree::new(description) else { return };
    let base = Pa::new(0x4800_0000);
    let described = Description::read(&description, description.root(), base, &|_| None);
    machine.read_devices(&tree);
    let plan = described.and_then(|it| Plan::new(&machine, Mpidr::new(0), &it));
    match plan {
        Ok(plan) => {
            for partition in &plan.partitions {
                let _ = guest_tree::build(partition, &machine, &tree);
            }
            check(&machine, &plan);
        }
        Err(refusal) => {
            let sentence = refusal.to_string();
            assert!(!sentence.is_empty() && !sentence.contains(char::is_control));
        }
    }
});

/// Builds the tables of the Plan and audits them.
fn check(machine: &Machine, plan: &Plan) {
    let start = plan.table_memory.start().get();
    let pages = plan.table_memory.size() / PAGE_SIZE;
    if pages > MAX_TABLES {
        return;
    }
    let mut pool = vec![Table::EMPTY; pages as usize];
    let (mut used, mut partitions) = (0, Vec::new());
    for partition in &plan.partitions {
        let root = Pa::new(start + used as u64 * PAGE_SIZE);
        let mut tables = Tables::new(&mut pool[used..], root).expect("there is room");
        for it in &partition.mappings {
            tables.map(it.ipa, it.pa, it.size, it.attributes).expect("the Plan has checked it");
        }
        used += tables.tables_used();
        partitions.push((partition, root));
    }
    let read = |table: Pa| pool[((table.get() - start) / PAGE_SIZE) as usize].descriptors();
    let audited = audit::stage_2(machine, &partitions, plan.table_memory, &read);
    audited.expect("the tables pass the audit");
}
