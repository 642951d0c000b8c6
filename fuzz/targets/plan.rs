//! Fuzzes the Plan with a machine's tree and a description that follows it: either the description
//! is refused with a sentence, or the tables of the Plan pass the audit.

#![no_main]

use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::audit;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::guest_tree;
use bulkhead::boot::machine::{ConsoleUart, Machine};
use bulkhead::boot::plan::Plan;
use bulkhead::boot::steps::{self, Refusal, Surroundings};
use bulkhead::mm::tables::{Table, Tables};
use libfuzzer_sys::fuzz_target;

/// The largest number of tables that are audited: more take too long.
const MAX_TABLES: u64 = 256;
/// The content of images that are in memory already.
static MEMORY: [u8; 1 << 16] = [0; 1 << 16];

fuzz_target!(|bytes: &[u8]| {
    let Ok(size) = Tree::total_size(bytes) else { return };
    let Some((machine_tree, description)) = bytes.split_at_checked(size) else { return };
    let Ok(tree) = Tree::new(machine_tree) else { return };
    let Ok(description) = Tree::new(description) else { return };
    match decide(&tree, &description, machine_tree.len() as u64) {
        Ok((machine, plan)) => {
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

/// Takes the decisions of a boot.
fn decide(tree: &Tree<'_>, description: &Tree<'_>, size: u64) -> Result<(Machine, Plan), Refusal> {
    let region = |start, size| Region::new(Pa::new(start), size).expect("it does not wrap");
    let surroundings = Surroundings {
        boot_cpu: Mpidr::new(0),
        image: region(0x4020_0000, 0x60_0000),
        tree: region(0x4000_0000, size),
        last_spi: Intid::spi(255).expect("it is below 988"),
        delivers_directly: false,
    };
    let mut machine = steps::read_machine(tree, ConsoleUart::read(tree), surroundings.boot_cpu)?;
    let (base, root) = (Pa::new(0x4800_0000), description.root());
    let bytes = |region: Region<Pa>| {
        MEMORY.get(..usize::try_from(region.size()).unwrap_or(usize::MAX)).unwrap_or(&MEMORY)
    };
    let described = steps::read_description(description, root, base, &machine, &bytes)?;
    let plan = steps::plan(tree, &mut machine, &described, &surroundings)?;
    Ok((machine, plan))
}

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
