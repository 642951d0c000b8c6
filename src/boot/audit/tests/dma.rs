//! What devices behind SMMUs reach.

use super::*;
use crate::boot::machine::{MessageKind, Stream};
use crate::boot::msi::Features;
use crate::boot::plan::Mapping;
use crate::boot::plan::tests::dma::{machine_with_smmu, with_devices};
use crate::boot::plan::tests::messages::{machine_with_messages, two};
use crate::boot::smmu::Reached;

/// A stream table and tables for devices, in a memory that tests can modify.
struct Smmu {
    machine: Machine,
    plan: Plan,
    roots: Vec<Option<Pa>>,
    tables: BTreeMap<u64, Descriptors>,
    words: Vec<u64>,
    base: u64,
    base_cfg: u32,
}

impl Smmu {
    /// `last` is the largest StreamID, which decides whether the stream table has two levels.
    fn new(last: u32) -> Self {
        Self::of(&with_devices(&["/a"], &["/b"]), last)
    }

    /// The same for a description.
    fn of(description: &Spec, last: u32) -> Self {
        let mut machine = machine_with_smmu(&[("/a", &[8]), ("/b", &[last])]);
        machine.free_interrupts = 200..300;
        Self::on(machine, description)
    }

    fn on(machine: Machine, description: &Spec) -> Self {
        let plan = plan_on(&machine, description).unwrap();
        let mut tables = BTreeMap::new();
        let mut roots = Vec::new();
        let mut place = plan.table_memory.start().get();
        for partition in &plan.partitions {
            roots.push(Some(Pa::new(place)));
            let mut pool = vec![Table::EMPTY; partition.dma_tables];
            let mut built = Tables::new(&mut pool, Pa::new(place)).unwrap();
            for it in &partition.dma_mappings {
                built.map(it.ipa, it.pa, it.size, it.attributes).unwrap();
            }
            assert_eq!(built.tables_used(), partition.dma_tables);
            for table in &pool {
                tables.insert(place, *table.descriptors());
                place += PAGE;
            }
        }
        let smmu = &plan.smmus[0];
        let (layout, memory) = (&smmu.layout, smmu.memory);
        let mut words = vec![0; (memory.size() / 8) as usize];
        layout.write_closed(memory.start(), &mut |at, word| words[(at / 8) as usize] = word);
        for stream in &smmu.streams {
            let vmid = plan.partitions[stream.partition].vmid;
            let reached = Reached { vmid, root: roots[stream.partition].unwrap() };
            let at = (layout.offset(stream.id).unwrap() / 8) as usize;
            words[at..at + 8].copy_from_slice(&reached.entry(&smmu.features));
        }
        let (base, base_cfg) = (memory.start().get(), layout.base_cfg());
        Self { machine, roots, tables, words, base, base_cfg, plan }
    }

    /// The doubleword of a stream's entry.
    fn word(&mut self, id: u32, number: usize) -> &mut u64 {
        let at = self.plan.smmus[0].layout.offset(id).unwrap() / 8;
        &mut self.words[at as usize + number]
    }

    fn audit(&self) -> Result<StreamSummary, Finding> {
        let partitions = self.plan.partitions.iter();
        let with_tables: Vec<_> =
            partitions.clone().zip(&self.roots).map(|(it, root)| (it, root.unwrap())).collect();
        let read = |table: Pa| &self.tables[&table.get()];
        let pages = devices(&self.machine, &with_tables, self.plan.table_memory, &read)?;
        let smmu = &self.plan.smmus[0];
        let start = smmu.memory.start().get();
        let table = StreamTable {
            plan: smmu,
            base: self.base,
            base_cfg: self.base_cfg,
            read: &|at: Pa| self.words[((at.get() - start) / 8) as usize],
        };
        let roots: Vec<_> = partitions.zip(self.roots.iter().copied()).collect();
        Ok(StreamSummary { streams: streams(&table, &roots)?, pages })
    }

    #[track_caller]
    fn finds(&self, what: &str) {
        let found = self.audit().unwrap_err().0;
        assert!(found.contains(what), "{found}");
    }
}

/// A linear table, and one of two levels.
fn smmus() -> [Smmu; 2] {
    [0x30, 0x1234].map(Smmu::new)
}

#[test]
fn the_tables_of_a_plan_pass() {
    for smmu in smmus() {
        let summary = smmu.audit().unwrap();
        assert_eq!(summary, StreamSummary { streams: 2, pages: 2 * 4096 });
        assert_eq!(
            std::format!("{summary}"),
            "2 streams reach 8,192 pages of the own partition's memory: all others abort"
        );
    }
}

#[test]
fn a_stream_that_is_open_before_its_partition_runs_is_found() {
    for id in [8, 9] {
        // Bypass, both stages, stage 2 only, and an entry that is not valid.
        for state in [1 | 4 << 1, 1 | 7 << 1, 1 | 6 << 1, 6 << 1] {
            for mut smmu in smmus() {
                *smmu.word(id, 0) = state;
                smmu.finds(&std::format!("a stream is open or invalid, {id:#x}"));
            }
        }
    }
}

#[test]
fn a_stream_that_leads_to_another_partition_is_found() {
    for mut smmu in smmus() {
        let other = smmu.roots[1].unwrap().get();
        *smmu.word(8, 3) = other;
        smmu.finds("a stream leads to other tables than its partition's, 0x8");
    }
    // Its translations would be cached as another partition's.
    for mut smmu in smmus() {
        *smmu.word(8, 2) += 1;
        smmu.finds("a stream is not translated as its partition's should be, 0x8");
    }
    for mut smmu in smmus() {
        smmu.roots[0] = Some(Pa::new(smmu.roots[0].unwrap().get() + PAGE));
        assert!(smmu.plan.partitions[0].dma_tables > 1);
        _ = smmu.tables.get(&smmu.roots[0].unwrap().get()).unwrap();
        assert!(smmu.audit().is_err());
    }
}

/// Each bit of an entry matters, but for those that change neither what is reached nor by whom.
#[test]
fn no_other_bit_of_an_entry_is_overlooked() {
    const FREE: [(usize, u64); 2] = [(1, 1 << 19), (2, 1 << 58 | 0x3f << 40 | 0b111 << 48)];
    for number in 1..8 {
        for bit in 0..64 {
            let mut smmu = Smmu::new(0x30);
            *smmu.word(8, number) ^= 1 << bit;
            let is_free = FREE.iter().any(|it| it.0 == number && it.1 >> bit & 1 == 1);
            assert_eq!(smmu.audit().is_ok(), is_free, "doubleword {number}, bit {bit}");
        }
    }
}

#[test]
fn streams_of_nobody_lead_nowhere() {
    for mut smmu in smmus() {
        let entry = *smmu.word(8, 3);
        *smmu.word(9, 3) = entry;
        smmu.finds("a stream leads somewhere that nobody owns, 0x9");
    }
}

#[test]
fn a_stream_of_the_plan_that_is_missing_is_found() {
    for mut smmu in smmus() {
        let twice = smmu.plan.smmus[0].streams[0];
        smmu.plan.smmus[0].streams.push(twice);
        smmu.finds("streams of the Plan are missing");
    }
    let mut smmu = Smmu::new(0x1234);
    smmu.words[0x1234 >> 6] = 0;
    smmu.finds("streams of the Plan are missing");
}

#[test]
fn a_stream_table_that_the_smmu_finds_elsewhere_is_found() {
    for mut smmu in smmus() {
        smmu.base -= 0x1_0000;
        smmu.finds("it reaches beyond its memory");
    }
    for mut smmu in smmus() {
        smmu.base_cfg += 8;
        assert!(smmu.audit().is_err());
    }
    let mut smmu = Smmu::new(0x30);
    smmu.base_cfg |= 2 << 16;
    smmu.finds("its format is unknown");
    let mut smmu = Smmu::new(0x1234);
    smmu.words[0] += 1;
    smmu.finds("a descriptor spans too many streams, 0x0");
}

#[test]
fn a_device_that_reaches_more_or_less_than_its_partition_is_found() {
    let root = |smmu: &Smmu| smmu.roots[0].unwrap().get();
    // A block of registers, and the memory of the other partition.
    for (input, output) in [(0_u64, 0_u64), (2, 0x8000_0000)] {
        let mut smmu = Smmu::new(0x30);
        let at = root(&smmu);
        smmu.tables.get_mut(&at).unwrap()[input as usize] = output | 0x7fd;
        smmu.finds("one: an address is mapped that the Plan does not give");
    }
    let mut smmu = Smmu::new(0x30);
    let at = root(&smmu) + PAGE;
    let table = smmu.tables.get_mut(&at).unwrap();
    assert_ne!(table[3], 0);
    table[3] = 0;
    smmu.finds("one: addresses are missing, of bytes, 0x200000");
    assert_eq!(smmu.plan.partitions[0].passthrough[0].streams, [Stream { smmu: 0, id: 8 }]);
}

#[test]
fn devices_reach_shared_memory_and_no_disk_by_virtio() {
    let size = || Cells(&[0, 0x40_0000]);
    let of = |name, device: &'static [&str]| partition(name).with("devices", Text(device));
    let disk = Spec::new("scratch").with("size", size()).with("interface", Text(&["virtio"]));
    let disks = Spec { children: vec![disk], ..Spec::new("disks") };
    let frames = Spec::new("frames").with("type", Text(&["memory"])).with("size", size());
    let frames = frames.with("partitions", Text(&["one", "two"]));
    let links = Spec { children: vec![frames], ..Spec::new("links") };
    let system = system([of("one", &["/a"]).child(disks), of("two", &["/b"])]).child(links);
    let mut smmu = Smmu::of(&system, 0x30);
    assert_eq!(smmu.audit().unwrap().pages, 2 * (4096 + 1024));
    let disk = smmu.plan.partitions[0].disks[0].host;
    let reached = |it: &Mapping| Region::new(it.pa, it.size).unwrap().overlaps(&disk);
    assert!(!smmu.plan.partitions[0].dma_mappings.iter().any(reached));
    smmu.plan.partitions[1].shared_memory.clear();
    smmu.finds("two: an address is mapped that the Plan does not give");
}

/// The page of the ITS to which both partitions' functions write.
#[test]
fn devices_reach_the_page_for_messages_and_no_other_registers() {
    let new = || {
        let machine = machine_with_messages(gic_v3(), MessageKind::Its(Ok(Features::ASSUMED)));
        Smmu::on(machine, &system(two()))
    };
    let summary = new().audit().unwrap();
    assert_eq!(summary, StreamSummary { streams: 2, pages: 2 * 4096 }, "it is not memory");
    // The leaf is the only one of its table of the last level.
    let leaf = |smmu: &mut Smmu, change: fn(u64) -> u64| {
        let of_its = |it: &u64| it & 0xffff_ffff_f000 == 0x809_0000 && it & 3 == 3;
        let mut all = smmu.tables.values_mut().flatten().filter(|it| of_its(it));
        let found = all.next().expect("the page is mapped");
        *found = change(*found);
    };
    for change in [
        // The control frame of the ITS, the distributor, a page that can be read, and no page.
        (|leaf| leaf - 0x1_0000) as fn(u64) -> u64,
        |leaf| leaf - 0x9_0000,
        |leaf| leaf | 1 << 6,
        |_| 0,
    ] {
        let mut smmu = new();
        leaf(&mut smmu, change);
        assert!(smmu.audit().is_err());
    }
    let mut smmu = new();
    smmu.plan.partitions[0].messages = None;
    smmu.finds("one: an address is mapped that the Plan does not give, 0x3f100000");
}
