mod disks;
mod dma;
mod el2;
mod shared_memory;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::arch::addr::Ipa;
use crate::boot::machine::Gic;
use crate::boot::plan::Plan;
use crate::boot::plan::tests::{
    Cells, Spec, Text, gic_v2, gic_v3, machine, partition, plan_on, system,
};
use crate::devices::address_map::CPU_INTERFACE;
use crate::mm::tables::{Attributes, Table, Tables};

const PAGE: u64 = PAGE_SIZE;

/// A machine, its Plan, and its tables in a memory that tests can modify.
struct Bench {
    machine: Machine,
    plan: Plan,
    roots: Vec<Pa>,
    memory: BTreeMap<u64, Descriptors>,
}

impl Bench {
    fn new(gic: Gic) -> Self {
        let machine = machine(gic);
        let one =
            partition("one").with("devices", Text(&["rtc0", "/left@b000000", "/right@b000100"]));
        let two = partition("two").with("memory", Cells(&[0, 0x20_3000]));
        Self::of(machine, [one, two])
    }

    fn of(machine: Machine, partitions: impl IntoIterator<Item = Spec>) -> Self {
        Self::of_system(machine, &system(partitions))
    }

    fn of_system(machine: Machine, system: &Spec) -> Self {
        let plan = plan_on(&machine, system).unwrap();
        let mut bench = Self { machine, plan, roots: Vec::new(), memory: BTreeMap::new() };
        let mut place = bench.plan.table_memory.start().get();
        for partition in &bench.plan.partitions.clone() {
            bench.roots.push(Pa::new(place));
            let mut pool = vec![Table::EMPTY; 16];
            let mut tables = Tables::new(&mut pool, Pa::new(place)).unwrap();
            for it in &partition.mappings {
                tables.map(it.ipa, it.pa, it.size, it.attributes).unwrap();
            }
            let used = tables.tables_used();
            for table in &pool[..used] {
                bench.memory.insert(place, *table.descriptors());
                place += PAGE;
            }
        }
        bench
    }

    fn audit(&self) -> Result<Summary, Finding> {
        let roots = self.roots.iter().copied();
        let partitions: Vec<_> = self.plan.partitions.iter().zip(roots).collect();
        let read = |table: Pa| &self.memory[&table.get()];
        stage_2(&self.machine, &partitions, self.plan.table_memory, &read)
    }

    /// Returns the leaf that maps this address.
    fn leaf(&mut self, partition: usize, input: Ipa) -> &mut u64 {
        let mut table = self.roots[partition].get();
        for shift in [30, 21, 12] {
            let slot = (input.get() >> shift) as usize % 512;
            let entry = self.memory[&table][slot];
            if shift == 12 || entry & 0b11 != 0b11 {
                return &mut self.memory.get_mut(&table).unwrap()[slot];
            }
            table = entry & 0x0000_ffff_ffff_f000;
        }
        unreachable!("level 3 has no links")
    }

    #[track_caller]
    fn finds(&self, what: &str) {
        let found = self.audit().unwrap_err().0;
        assert!(found.contains(what), "{found}");
    }
}

fn benches() -> [Bench; 2] {
    [Bench::new(gic_v2()), Bench::new(gic_v3())]
}

const RAM: Ipa = Ipa::new(0x4000_0000);
const RTC: Ipa = Ipa::new(0x901_0000);

#[test]
fn the_tables_of_a_plan_pass() {
    for (bench, of_gic) in benches().into_iter().zip([2, 0]) {
        let summary = bench.audit().unwrap();
        assert_eq!(summary.pages, 4096 + 0x203 + 2 + of_gic);
        assert_eq!(summary.tables, bench.memory.len());
        assert_eq!(summary.partitions, 2);
    }
}

#[test]
fn a_page_of_another_partition_is_found() {
    for mut bench in benches() {
        let other = bench.plan.partitions[1].memory.host.start().get();
        let leaf = bench.leaf(0, RTC);
        *leaf = *leaf & !0x0000_ffff_ffff_f000 | other;
        bench.finds("one: an address leads to memory that the Plan does not say, 0x9010000");
    }
}

#[test]
fn a_plan_that_gives_a_page_twice_is_found() {
    for mut bench in benches() {
        let host = bench.plan.partitions[0].memory.host;
        let two = &mut bench.plan.partitions[1];
        two.memory.host = Region::new(host.start(), two.memory.host.size()).unwrap();
        let (input, end) = (RAM.get(), two.memory.guest.end().get());
        let from = two.memory.host.start().get();
        for page in (input..end).step_by(PAGE as usize) {
            let leaf = bench.leaf(1, Ipa::new(page));
            if *leaf & 0b11 == 0b01 {
                let block = page & !0x1f_ffff;
                *leaf = *leaf & !0x0000_ffff_ffff_f000 | (from + block - input);
            } else {
                *leaf = *leaf & !0x0000_ffff_ffff_f000 | (from + page - input);
            }
        }
        bench.finds("a page has two owners");
    }
}

#[test]
fn a_mapping_of_reserved_memory_is_found() {
    for mut bench in benches() {
        let page = bench.plan.partitions[0].memory.host.start();
        bench.machine.reserve(Region::new(page, 1).unwrap(), "firmware");
        bench.finds("one: it reaches what is Bulkhead's or reserved");
    }
    for mut bench in benches() {
        bench.plan.partitions[1].kernel.source = Region::new(Pa::new(RTC.get()), 8).unwrap();
        bench.finds("one: it reaches what is Bulkhead's or reserved, 0x9010000");
    }
    for mut bench in benches() {
        bench.machine.console.as_mut().unwrap().registers =
            bench.plan.partitions[0].passthrough[0].registers[0];
        bench.finds("it reaches what is Bulkhead's or reserved, 0x9010000");
    }
}

#[test]
fn an_extra_or_missing_page_is_found() {
    for mut bench in benches() {
        *bench.leaf(0, Ipa::new(0x901_1000)) = 0x901_1000 | *bench.leaf(0, RTC) & 0xfff;
        bench.finds("one: an address is mapped that the Plan does not give, 0x9011000");
    }
    for mut bench in benches() {
        *bench.leaf(0, RTC) = 0;
        bench.finds("one: addresses are missing, of bytes, 0x1000");
    }
}

#[test]
fn a_mapped_page_of_an_emulated_device_is_found() {
    for mut bench in benches() {
        let device = &mut bench.plan.partitions[0].passthrough[0];
        device.registers.push(Region::new(Pa::new(0x900_0000), 0x1000).unwrap());
        *bench.leaf(0, Ipa::new(0x900_0000)) =
            0x900_0000 | *bench.leaf(0, RTC) & 0xfff | NO_EXECUTE;
        bench.finds("one: an emulated device's registers are mapped, 0x9000000");
    }
}

#[test]
fn wrong_attributes_and_reserved_bits_are_found() {
    for mut bench in benches() {
        *bench.leaf(0, RTC) &= !NO_EXECUTE;
        bench.finds("attributes");
    }
    for mut bench in benches() {
        *bench.leaf(0, RTC) &= !0b10;
        bench.finds("reserved bits");
    }
    for mut bench in benches() {
        *bench.leaf(0, RAM) |= 0x1000;
        bench.finds("a block's address");
    }
}

#[test]
fn a_table_with_two_parents_or_outside_the_tables_is_found() {
    for mut bench in benches() {
        bench.roots[1] = bench.roots[0];
        bench.finds("two: a table is reached twice");
    }
    for mut bench in benches() {
        bench.memory.get_mut(&bench.roots[0].get()).unwrap()[5] = 0x7000_0003;
        bench.finds("a table lies outside the memory for tables, 0x70000000");
    }
}

#[test]
fn the_summary_has_plurals_and_groups_digits() {
    let line = |pages, partitions, shared| {
        let linked = 0;
        let summary = Summary { pages, tables: 17, partitions, shared, linked };
        std::format!("{summary}")
    };
    assert_eq!(line(12_345, 3, 0), "12,345 pages in 17 tables of 3 partitions: each has one owner");
    assert_eq!(line(7, 1, 0), "7 pages in 17 tables of 1 partition: each has one owner");
    assert!(line(1_002_003, 1, 0).starts_with("1,002,003 pages"));
    assert_eq!(
        line(2_000, 2, 1_024),
        "2,000 pages in 17 tables of 2 partitions: each has one owner, but 1,024 are shared and \
         read-only"
    );
}

#[test]
fn a_cpu_interface_in_a_partitions_memory_is_found() {
    let mut bench = Bench::new(gic_v2());
    let host = bench.plan.partitions[0].memory.host;
    let Gic::V2 { virtual_cpu_interface, .. } = &mut bench.machine.gic else { unreachable!() };
    *virtual_cpu_interface = Region::new(host.start(), PAGE).unwrap();
    for partition in 0..2 {
        let leaf = bench.leaf(partition, CPU_INTERFACE);
        *leaf = *leaf & !0x0000_ffff_ffff_f000 | host.start().get();
    }
    bench.finds("one: it reaches what is Bulkhead's or reserved");
}

/// Returns the runs of a level 3 table, one descriptor at a time.
fn one_by_one(table: &Descriptors) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (descriptor, input) in table.iter().zip((0..).step_by(PAGE as usize)) {
        let output = descriptor & 0x0000_ffff_ffff_f000;
        let attributes = descriptor & !(0x0000_ffff_ffff_f000 | 0b11);
        match runs.last_mut() {
            _ if descriptor & 1 == 0 => {}
            Some(Run { input: at, output: to, size, attributes: of })
                if *at + *size == input && *to + *size == output && *of == attributes =>
            {
                *size += PAGE;
            }
            _ => runs.push(Run { input, output, size: PAGE, attributes }),
        }
    }
    runs
}

proptest! {
    #[test]
    fn runs_are_those_of_single_descriptors(
        parts in prop::collection::vec((0..5_usize, 1..40_u64), 1..60)
    ) {
        // Each kind in turn: invalid, invalid with an address, valid with two sets of attributes,
        // and the last addresses.
        const FIRST: [u64; 5] =
            [0, 0x4000_0402, 0x5000_0403, 0x0040_0000_5001_0403, 0x0000_ffff_ffff_8403];
        let mut table = [0; 512];
        let mut pages: Vec<u64> = Vec::new();
        for (kind, count) in parts {
            let of = |page| (FIRST[kind] & 0xfff0_0000_0000_0fff)
                | (FIRST[kind] + page * PAGE) & 0x0000_ffff_ffff_f000;
            pages.extend((0..count).map(|page| if kind == 0 { 0 } else { of(page) }));
        }
        for (entry, page) in table.iter_mut().zip(pages) {
            *entry = page;
        }
        let (mut root, mut middle) = ([0; 512], [0; 512]);
        (root[0], middle[0]) = (0x1003, 0x2003);
        let tables = [root, middle, table];
        let read = |at: Pa| &tables[(at.get() / PAGE) as usize];
        let all = Region::new(Pa::new(0), 3 * PAGE).unwrap();
        let runs = Walk::new(all, &read).root(Pa::new(0));
        prop_assert_eq!(runs, Ok(one_by_one(&tables[2])));
    }
}
