//! The steps of boot up to the first guest, with the tree of a machine and a description.

use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::audit::{self, Access, Window};
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{ConsoleUart, Gic, Machine, Open};
use bulkhead::boot::plan::{Mapping, Plan, PlannedDisk};
use bulkhead::boot::steps::{self, Surroundings};
use bulkhead::boot::{guest_tree, report};
use bulkhead::mm::tables::{Attributes, INPUT_BITS, Table, Tables};

use super::functions::Functions;
use super::trees::Seed;

/// The content of images that are in memory already.
static MEMORY: [u8; 65536] = [0; 65536];

fn region(start: u64, size: usize) -> Region<Pa> {
    Region::new(Pa::new(start), size as u64).unwrap()
}

/// Takes the steps of boot. Returns the number of partitions, or the sentence of a refusal.
pub fn judge(seed: &Seed, machine: &[u8], description: &[u8]) -> Result<usize, String> {
    let tree = Tree::new(machine).map_err(|error| format!("the machine's tree is {error}"))?;
    let surroundings = Surroundings {
        boot_cpu: Mpidr::new(0),
        image: region(seed.image, 3 << 20),
        tree: region(seed.image + (4 << 20), machine.len()),
        last_spi: Intid::spi(255).expect("it is an SPI"),
        delivers_directly: false,
    };
    let machine = steps::read_machine(&tree, ConsoleUart::read(&tree), surroundings.boot_cpu);
    let mut machine = machine.map_err(|error| error.to_string())?;
    let place = region(seed.description, description.len());
    machine.initrd = Some(place);
    let description =
        Tree::new(description).map_err(|error| format!("the system description is {error}"))?;
    let bytes = |wanted: Region<Pa>| MEMORY.get(..wanted.size() as usize).unwrap_or(&MEMORY);
    let (root, base) = (description.root(), place.start());
    let description = steps::read_description(&description, root, base, &machine, &bytes);
    let description = description.map_err(|error| error.to_string())?;
    let open: Open<'_> = &mut |_| Box::new(Functions::new());
    steps::find_functions(&tree, &mut machine, &description, open);
    let plan = steps::plan(&tree, &mut machine, &description, &surroundings);
    let plan = plan.map_err(|error| error.to_string())?;
    check(&machine, &plan);
    check_tables(&machine, &plan);
    assert!(report::report(&machine, &plan).lines().count() > 4);
    for partition in &plan.partitions {
        let guest = guest_tree::build(partition, &machine, &tree);
        let guest = guest.map_err(|error| error.to_string())?;
        assert!(guest.bytes.len() as u64 <= partition.tree.size());
        Tree::new(&guest.bytes).unwrap();
    }
    Ok(plan.partitions.len())
}

/// Checks that the audit accepts the tables for a Plan.
fn check_tables(machine: &Machine, plan: &Plan) {
    let start = plan.table_memory.start().get();
    let pages = (plan.table_memory.size() / PAGE_SIZE) as usize;
    let mut pool = vec![Table::EMPTY; pages];
    let mut partitions = Vec::new();
    let mut used = 0;
    for partition in &plan.partitions {
        let root = Pa::new(start + used as u64 * PAGE_SIZE);
        let mut tables = Tables::new(&mut pool[used..], root).unwrap();
        for it in &partition.mappings {
            tables.map(it.ipa, it.pa, it.size, it.attributes).unwrap();
        }
        used += tables.tables_used();
        partitions.push((partition, root));
    }
    let read = |table: Pa| pool[((table.get() - start) / PAGE_SIZE) as usize].descriptors();
    let summary = audit::stage_2(machine, &partitions, plan.table_memory, &read);
    let summary = summary.unwrap_or_else(|finding| panic!("{finding}"));
    assert_eq!(summary.tables, used);
    for one in &plan.partitions {
        check_window(&[one.memory.host], Access::Write, one.window_tables);
    }
    // The EL2 program refuses images above the addresses that a window has.
    if plan.images.iter().all(|image| image.end().get() <= 1 << INPUT_BITS) {
        check_window(&plan.images, Access::Read, plan.image_tables);
    }
}

/// Checks that so many tables suffice for a window, and that the audit accepts them.
fn check_window(memory: &[Region<Pa>], access: Access, count: usize) {
    let base = Pa::new(PAGE_SIZE);
    let mut pool = vec![Table::EMPTY; count];
    let mut tables = Tables::new(&mut pool, base).unwrap();
    let attributes = match access {
        Access::Write => Attributes::WINDOW,
        Access::Read => Attributes::READ_ONLY,
    };
    for it in memory {
        tables.map_missing(it.start(), it.start(), it.size(), attributes).unwrap();
    }
    let (pool, place) = tables.in_use();
    let read = |table: Pa| pool[(table.get() / PAGE_SIZE) as usize - 1].descriptors();
    let audited = audit::window(&Window { memory, table: base, access }, place, &read);
    audited.unwrap_or_else(|finding| panic!("{finding}"));
}

fn unique<T: Ord>(things: impl Iterator<Item = T>) {
    let mut things: Vec<T> = things.collect();
    let count = things.len();
    things.sort();
    things.dedup();
    assert_eq!(things.len(), count);
}

/// Checks that partitions share nothing but read-only disks that are said to be the same, and memory
/// of links with exactly the partitions of the link, and that none has reserved memory.
fn check(machine: &Machine, plan: &Plan) {
    let partitions = || plan.partitions.iter();
    assert!(!plan.partitions.is_empty());
    unique(partitions().flat_map(|one| &one.cpus));
    unique(partitions().flat_map(|one| one.interrupts.iter().map(|one| one.intid)));
    unique(partitions().map(|one| one.vmid));
    unique(partitions().map(|one| &one.name));
    // Every partition maps the same page GICV, which is banked by CPU.
    let banked = match &machine.gic {
        Gic::V2 { virtual_cpu_interface, .. } => Some(virtual_cpu_interface.start()),
        Gic::V3 { .. } => None,
    };
    let mut mappings: Vec<&Mapping> = Vec::new();
    let mut of_links = Vec::new();
    for (number, one) in partitions().enumerate() {
        let same = one.disks.iter().filter(|disk| disk.same_as.is_some());
        for disk in same.clone() {
            let other = disk.same_as.map(|(partition, of)| &plan.partitions[partition].disks[of]);
            let is_shared = |other: &PlannedDisk| {
                other.host == disk.host && other.is_read_only && other.same_as.is_none()
            };
            assert!(disk.is_read_only && other.is_some_and(is_shared), "{disk:?}");
        }
        let is_shared = |it: &&Mapping| {
            same.clone().any(|disk| disk.guest().is_some_and(|guest| guest.start() == it.ipa))
        };
        let memory = |it: &&Mapping| {
            let place = plan.shared_memory.iter().position(|link| link.host.start() == it.pa);
            place
                .filter(|_| one.shared_memory.iter().any(|port| port.place.guest.start() == it.ipa))
        };
        of_links
            .extend(one.mappings.iter().filter_map(|it| memory(&it)).map(|link| (link, number)));
        let is_own = |it: &&Mapping| !is_shared(it) && memory(it).is_none();
        mappings.extend(one.mappings.iter().filter(is_own));
    }
    let links = plan.shared_memory.iter().enumerate();
    let ports = links.flat_map(|(link, it)| it.partitions.iter().map(move |one| (link, *one)));
    let mut ports: Vec<_> = ports.collect();
    ports.sort();
    of_links.sort();
    assert_eq!(of_links, ports);
    let mappings = mappings.into_iter().filter(|one| Some(one.pa) != banked);
    let physical = mappings.map(|one| region(one.pa.get(), one.size as usize));
    let shared = plan.shared_memory.iter().map(|link| link.host);
    let mut physical: Vec<_> = physical.chain(shared).chain([plan.table_memory]).collect();
    for one in &physical {
        for reserved in &machine.reserved {
            assert!(!one.overlaps(&reserved.region), "{one} is {}'s", reserved.owner);
        }
    }
    physical.sort_by_key(|one| one.start());
    for pair in physical.windows(2) {
        assert!(pair[0].end() <= pair[1].start(), "{} and {}", pair[0], pair[1]);
    }
    for one in partitions() {
        let loaded = [one.kernel.load, one.tree].into_iter();
        let loaded = loaded.chain(one.ramdisk.map(|ramdisk| ramdisk.load));
        for image in loaded {
            assert!(one.memory.guest.covers(&image));
        }
    }
}
