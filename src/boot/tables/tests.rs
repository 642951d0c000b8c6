//! Translation tables, against `aarch64-paging` and against a list of mappings.

use super::*;
use crate::arch::addr::Ipa;
use crate::mm::tables::{OUTPUT, TYPE};
use aarch64_paging::descriptor::{El23Attributes, Stage2Attributes};
use aarch64_paging::linearmap::LinearMap;
use aarch64_paging::paging::{El2, MemoryRegion, Stage2, TranslationRegime};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const BASE: u64 = 0x7fff_f000;
const GIB: u64 = LEVEL_1_SPAN;
const MIB2: u64 = LEVEL_2_SPAN;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mapping {
    input: Ipa,
    output: Pa,
    size: u64,
    attributes: Attributes,
}

impl Tables<'_> {
    fn add(&mut self, mapping: &Mapping) -> Result<(), MapError> {
        self.map(mapping.input, mapping.output, mapping.size, mapping.attributes)
    }

    /// Translates `input` as the hardware does; `None` where nothing is mapped.
    fn look_up(&self, input: Ipa) -> Option<(Pa, Attributes)> {
        let input = input.get();
        if input >> INPUT_BITS != 0 {
            return None;
        }
        let (index, slot, span) = self.find(input);
        let entry = self.pool[index].0[slot];
        let output = Pa::new((entry & OUTPUT) + input % span);
        (entry != 0).then_some((output, Attributes(entry & !OUTPUT & !TYPE)))
    }

    /// Returns all leaves, in the order of their input addresses.
    fn walk(&self) -> impl Iterator<Item = Mapping> {
        let mut next = 0;
        std::iter::from_fn(move || {
            while next >> INPUT_BITS == 0 {
                let input = Ipa::new(next);
                let (.., size) = self.find(next);
                next += size;
                if let Some((output, attributes)) = self.look_up(input) {
                    return Some(Mapping { input, output, size, attributes });
                }
            }
            None
        })
    }
}

/// Tables full of entries that look valid.
fn dirty_pool(len: usize) -> Vec<Table> {
    vec![Table([u64::MAX; ENTRIES]); len]
}

fn guest(input: u64, output: u64, size: u64, attributes: Attributes) -> Mapping {
    Mapping { input: Ipa::new(input), output: Pa::new(output), size, attributes }
}

fn with_tables<R>(len: usize, test: impl FnOnce(&mut Tables<'_>) -> R) -> R {
    let mut pool = dirty_pool(len);
    test(&mut Tables::new(&mut pool, Pa::new(BASE)).unwrap())
}

#[test]
fn mappings_use_the_largest_leaves_that_both_addresses_allow() {
    let leaves = |input, output, size| {
        with_tables(8, |tables| {
            tables.add(&guest(input, output, size, Attributes::GUEST)).unwrap();
            let sizes = tables.walk().fold(Vec::<(u64, usize)>::new(), |mut sizes, leaf| {
                match sizes.last_mut() {
                    Some((size, count)) if *size == leaf.size => *count += 1,
                    _ => sizes.push((leaf.size, 1)),
                }
                sizes
            });
            (sizes, tables.tables_used())
        })
    };
    assert_eq!(leaves(GIB, 4 * GIB, 2 * GIB), (vec![(GIB, 2)], 1));
    assert_eq!(leaves(GIB, GIB + MIB2, GIB), (vec![(MIB2, 512)], 2));
    assert_eq!(leaves(MIB2, PAGE_SIZE, MIB2), (vec![(PAGE_SIZE, 512)], 3));
    assert_eq!(
        leaves(GIB - MIB2 - PAGE_SIZE, 2 * GIB - MIB2 - PAGE_SIZE, GIB + 2 * MIB2 + PAGE_SIZE),
        (vec![(PAGE_SIZE, 1), (MIB2, 1), (GIB, 1), (MIB2, 1)], 4)
    );
}

#[test]
fn addresses_beyond_39_input_and_48_output_bits_are_refused() {
    with_tables(3, |tables| {
        let top = 1 << INPUT_BITS;
        let last = guest(top - PAGE_SIZE, 0, PAGE_SIZE, Attributes::GUEST);
        assert_eq!(tables.add(&last), Ok(()));
        assert_eq!(tables.walk().collect::<Vec<_>>(), [last]);
        assert_eq!(tables.look_up(Ipa::new(top)), None);
        assert_eq!(tables.look_up(Ipa::new(u64::MAX)), None);
        for (input, output, size) in [
            (top, 0, PAGE_SIZE),
            (top - PAGE_SIZE, 0, 2 * PAGE_SIZE),
            (0, 1 << OUTPUT_BITS, PAGE_SIZE),
            (0, (1 << OUTPUT_BITS) - PAGE_SIZE, 2 * PAGE_SIZE),
            (PAGE_SIZE, 0, u64::MAX - PAGE_SIZE + 1),
        ] {
            let refused = tables.add(&guest(input, output, size, Attributes::GUEST));
            assert_eq!(refused, Err(MapError::OutOfRange), "{input:#x} {output:#x} {size:#x}");
        }
    });
}

#[test]
fn partial_pages_are_refused() {
    with_tables(4, |tables| {
        for (input, output, size) in [(1, 0, PAGE_SIZE), (0, 0x800, PAGE_SIZE), (0, 0, 1)] {
            let refused = tables.add(&guest(input, output, size, Attributes::GUEST));
            assert_eq!(refused, Err(MapError::Unaligned));
        }
        assert_eq!(tables.add(&guest(0, 0, 0, Attributes::GUEST)), Ok(()));
        assert_eq!((tables.walk().count(), tables.tables_used()), (0, 1));
    });
}

/// The unmapped pages are in two tables.
#[test]
fn unmapping_affects_only_the_given_pages() {
    with_tables(8, |tables| {
        let (start, size) = (MIB2 - 4 * PAGE_SIZE, 8 * PAGE_SIZE);
        tables.map(Ipa::new(start), Pa::new(start), size, Attributes::CODE).unwrap();
        let taken = start + PAGE_SIZE..start + 6 * PAGE_SIZE;
        let unmap =
            |tables: &mut Tables<'_>| tables.unmap(Ipa::new(taken.start), taken.end - taken.start);
        assert_eq!(unmap(tables), Ok(()));
        for page in (start..start + size).step_by(PAGE_SIZE as usize) {
            let is_there = tables.look_up(Ipa::new(page)).is_some();
            assert_eq!(is_there, !taken.contains(&page), "{page:#x}");
        }
        assert_eq!(unmap(tables), Err(MapError::Unaligned), "nothing is mapped");
        let block = Ipa::new(GIB);
        tables.map(block, Pa::new(GIB), GIB, Attributes::DATA).unwrap();
        assert_eq!(tables.unmap(block, PAGE_SIZE), Err(MapError::Unaligned), "it is a block");
    });
}

#[test]
fn a_pool_that_is_too_small_is_an_error() {
    let mut pool = dirty_pool(1);
    fn new(pool: &mut [Table], base: u64) -> Option<MapError> {
        Tables::new(pool, Pa::new(base)).err()
    }
    assert_eq!(new(&mut [], BASE), Some(MapError::OutOfTables));
    assert_eq!(new(&mut pool, BASE + 8), Some(MapError::Unaligned));
    assert_eq!(new(&mut pool, 1 << OUTPUT_BITS), Some(MapError::OutOfRange));
    with_tables(2, |tables| {
        let page = guest(0, 0, PAGE_SIZE, Attributes::GUEST);
        assert_eq!(tables.add(&page), Err(MapError::OutOfTables));
        assert_eq!(tables.walk().count(), 0);
    });
}

/// Returns all leaves that `aarch64-paging` writes: input address, descriptor, level.
fn oracle<R>(
    mapping: Extent,
    regime: R,
    flags: R::Attributes,
    bits: impl Fn(&R::Attributes) -> usize,
) -> Vec<(u64, u64, usize)>
where
    R: TranslationRegime<Asid = (), VaRange = ()>,
{
    let offset = mapping.output as isize - mapping.input as isize;
    let (start, end) = (mapping.input as usize, (mapping.input + mapping.size) as usize);
    let mut map = LinearMap::new(1, offset, regime);
    let region = MemoryRegion::new(start, end);
    map.map_range(&region, flags).unwrap();
    let mut leaves = Vec::new();
    map.walk_range(&region, &mut |range, descriptor, level| {
        if level == 3 || !descriptor.is_table_or_page() {
            let bits = descriptor.output_address().0 | bits(&descriptor.flags());
            leaves.push((range.start().0 as u64, bits as u64, level));
        }
        Ok(())
    })
    .unwrap();
    leaves
}

/// Returns all leaves in the pool, read without the code under test.
fn raw(pool: &[Table]) -> Vec<(u64, u64, usize)> {
    fn table(
        pool: &[Table],
        index: usize,
        level: usize,
        at: u64,
        leaves: &mut Vec<(u64, u64, usize)>,
    ) {
        for (slot, &entry) in pool[index].0.iter().enumerate() {
            let at = at + ((slot as u64) << (12 + 9 * (3 - level)));
            match entry & 0b11 {
                0b11 if level < 3 => {
                    assert_eq!(entry & 0xffff_0000_0000_0ffc, 0, "a link restricts nothing");
                    let next = ((entry & 0xffff_ffff_f000) - BASE) / PAGE_SIZE;
                    table(pool, next as usize, level + 1, at, leaves);
                }
                0 => assert_eq!(entry, 0),
                _ => leaves.push((at, entry, level)),
            }
        }
    }
    let mut leaves = Vec::new();
    table(pool, 0, 1, 0, &mut leaves);
    leaves
}

fn ours(extent: Extent, attributes: Attributes) -> Vec<(u64, u64, usize)> {
    let mut pool = dirty_pool(8);
    let mut tables = Tables::new(&mut pool, Pa::new(BASE)).unwrap();
    tables.map(Ipa::new(extent.input), Pa::new(extent.output), extent.size, attributes).unwrap();
    raw(&pool)
}

#[test]
fn descriptors_equal_those_of_aarch64_paging() {
    use El23Attributes as One;
    use Stage2Attributes as Two;
    let stage_1 = One::VALID | One::ACCESSED | One::USER_RES1;
    let normal = stage_1 | One::INNER_SHAREABLE | One::ATTRIBUTE_INDEX_0;
    let window = stage_1 | One::INNER_SHAREABLE | One::ATTRIBUTE_INDEX_2;
    let stage_2 = Two::VALID | Two::ACCESS_FLAG | Two::S2AP_ACCESS_RW;
    let read_only = Two::VALID | Two::ACCESS_FLAG | Two::S2AP_ACCESS_RO;
    let write_back = Two::MEMATTR_NORMAL_INNER_WB | Two::MEMATTR_NORMAL_OUTER_WB | Two::SH_INNER;
    for (input, output, size) in [
        (0x4000_0000, 0x4000_0000, 0x4000_0000),
        (0x4000_0000, 0x12_3460_0000, 0x0400_1000),
        (0x0010_1000, 0x3f_fff0_2000, 0x3000),
        (0x3fdf_f000, 0x7fdf_f000, 0x4060_2000),
    ] {
        let extent = Extent { input, output, size };
        for (attributes, flags) in [
            (Attributes::CODE, normal | One::READ_ONLY),
            (Attributes::READ_ONLY, normal | One::READ_ONLY | One::XN),
            (Attributes::DATA, normal | One::XN),
            (Attributes::WINDOW, window | One::XN),
            (Attributes::DEVICE, stage_1 | One::ATTRIBUTE_INDEX_1 | One::XN),
        ] {
            assert_eq!(
                ours(extent, attributes),
                oracle(extent, El2, flags, One::bits),
                "{attributes:?}"
            );
        }
        for (attributes, flags) in [
            (Attributes::GUEST, stage_2 | write_back),
            (Attributes::GUEST_DEVICE, stage_2 | Two::MEMATTR_DEVICE_nGnRE | Two::XN),
            (Attributes::GUEST_DISK, stage_2 | write_back | Two::XN),
            (Attributes::GUEST_READ_ONLY_DISK, read_only | write_back | Two::XN),
        ] {
            assert_eq!(
                ours(extent, attributes),
                oracle(extent, Stage2, flags, Two::bits),
                "{attributes:?}"
            );
        }
    }
}

/// Addresses that often coincide: a few of 1 GiB, in each a few of 2 MiB, in each a few pages.
fn address() -> impl Strategy<Value = u64> {
    (0..4_u64, prop_oneof![0..3_u64, 510..512_u64], prop_oneof![0..3_u64, 510..512_u64])
        .prop_map(|(gib, mib2, page)| gib * GIB + mib2 * MIB2 + page * PAGE_SIZE)
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let size = prop_oneof![
        (1..4_u64).prop_map(|pages| pages * PAGE_SIZE),
        (1..4_u64).prop_map(|blocks| blocks * MIB2),
        address().prop_map(|size| size + PAGE_SIZE),
    ];
    let output = prop_oneof![address(), Just(u64::MAX)];
    let attributes = prop_oneof![Just(Attributes::GUEST), Just(Attributes::GUEST_DEVICE)];
    (address(), output, size, attributes).prop_map(|(input, output, size, attributes)| {
        // Half of the mappings have equal alignment on both sides, as most have in practice.
        let output = if output == u64::MAX { input + 8 * GIB } else { output };
        guest(input, output, size, attributes)
    })
}

fn overlap(a: &Mapping, b: &Mapping) -> bool {
    a.input.get() < b.input.get() + b.size && b.input.get() < a.input.get() + a.size
}

/// Returns what `input` should translate to.
fn expected(mapped: &[Mapping], input: u64) -> Option<(u64, Attributes)> {
    let of = |mapping: &Mapping| input.checked_sub(mapping.input.get());
    let mapping = mapped.iter().find(|it| of(it).is_some_and(|offset| offset < it.size))?;
    Some((mapping.output.get() + of(mapping)?, mapping.attributes))
}

/// Checks the translations of `probes`, and of addresses around the edges of each mapping.
fn check_look_ups(
    tables: &Tables<'_>,
    mapped: &[Mapping],
    probes: Vec<u64>,
) -> Result<(), TestCaseError> {
    let edges = mapped.iter().flat_map(|it| {
        let (start, end) = (it.input.get(), it.input.get() + it.size);
        [start, end - 1, end, start.wrapping_sub(1), start + it.size / 2]
    });
    for probe in edges.chain(probes) {
        let found = tables.look_up(Ipa::new(probe));
        let found = found.map(|(output, attributes)| (output.get(), attributes));
        prop_assert_eq!(found, expected(mapped, probe), "{:#x}", probe);
    }
    Ok(())
}

proptest! {
    #[test]
    fn look_up_and_walk_return_exactly_what_was_mapped(
        mappings in prop::collection::vec(mapping(), 1..8),
        probes in prop::collection::vec(address(), 8),
    ) {
        let mut pool = dirty_pool(64);
        let mut tables = Tables::new(&mut pool, Pa::new(BASE)).unwrap();
        let mut mapped = Vec::new();
        for mapping in mappings {
            if mapped.iter().any(|other| overlap(other, &mapping)) {
                let before = tables.tables_used();
                prop_assert_eq!(tables.add(&mapping), Err(MapError::Overlap));
                prop_assert_eq!(tables.tables_used(), before);
            } else if tables.add(&mapping).is_ok() {
                mapped.push(mapping);
            } else {
                // Misaligned gigabytes need more tables than a test can have.
                return Err(TestCaseError::reject("out of tables"));
            }
        }
        check_look_ups(&tables, &mapped, probes)?;
        let mut end = 0;
        for leaf in tables.walk() {
            prop_assert!(leaf.input.get() >= end);
            end = leaf.input.get() + leaf.size;
            prop_assert!((leaf.input.get() | leaf.output.get()).is_multiple_of(leaf.size));
            let first = Some((leaf.output.get(), leaf.attributes));
            let last = Some((leaf.output.get() + leaf.size - 1, leaf.attributes));
            prop_assert_eq!(expected(&mapped, leaf.input.get()), first);
            prop_assert_eq!(expected(&mapped, end - 1), last);
        }
        let walked: u64 = tables.walk().map(|leaf| leaf.size).sum();
        prop_assert_eq!(walked, mapped.iter().map(|it| it.size).sum::<u64>());

        let parts = |it: &Mapping| (it.input, it.output, it.size);
        let used = tables.tables_used();
        prop_assert!(tables_needed(mapped.iter().map(parts)) >= used);
        mapped.sort_by_key(|it| it.input);
        prop_assert_eq!(tables_needed(mapped.iter().map(parts)), used);
    }

    #[test]
    fn map_missing_maps_only_what_is_unmapped(
        mappings in prop::collection::vec(mapping(), 1..6),
        wanted in mapping(),
        probes in prop::collection::vec(address(), 8),
    ) {
        let mut pool = dirty_pool(64);
        let mut tables = Tables::new(&mut pool, Pa::new(BASE)).unwrap();
        let mut mapped = Vec::new();
        for mapping in mappings {
            match tables.add(&mapping) {
                Ok(()) => mapped.push(mapping),
                Err(MapError::Overlap) => {}
                Err(_) => return Err(TestCaseError::reject("out of tables")),
            }
        }
        let Mapping { input, output, size, attributes } = wanted;
        if tables.map_missing(input, output, size, attributes).is_err() {
            return Err(TestCaseError::reject("out of tables"));
        }
        // The first mapping of an address counts.
        mapped.push(wanted);
        check_look_ups(&tables, &mapped, probes)?;
    }

    #[test]
    fn no_mapping_panics(input: u64, output: u64, size: u64, shift in 0..64) {
        let mapping = guest(input, output, size >> shift, Attributes::GUEST_DEVICE);
        let result = with_tables(2, |tables| tables.add(&mapping));
        tables_needed([(mapping.input, mapping.output, mapping.size)].into_iter());
        prop_assert!(result.is_ok() || result.is_err());
    }
}
