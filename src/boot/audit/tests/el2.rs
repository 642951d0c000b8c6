//! EL2's own tables: those that all CPUs share, the roots, and those of windows.

use super::*;

/// Audits EL2's tables with these mappings, in which these bits of all leaves are cleared.
fn own(mappings: &[(u64, u64, Attributes)], cleared: u64) -> Result<(), Finding> {
    const BASE: Pa = Pa::new(0x10_0000);
    let mut pool = vec![Table::EMPTY; 16];
    let mut tables = Tables::new(&mut pool, BASE).unwrap();
    for (input, output, memory) in mappings {
        tables.map(Pa::new(*input), Pa::new(*output), PAGE, *memory).unwrap();
    }
    let mut memory: Vec<_> = pool.iter().map(|table| *table.descriptors()).collect();
    memory[2].iter_mut().for_each(|leaf| *leaf &= !cleared);
    let read = |table: Pa| &memory[((table.get() - BASE.get()) / PAGE) as usize];
    let code = [(0x4000, 0x1000), (0x5000, 0x1000)];
    let code = code.map(|(start, size)| Region::new(Pa::new(start), size).unwrap());
    let closed = [Region::new(Pa::new(0x9000), 0x1000).unwrap()];
    stage_1(BASE, Region::new(BASE, 16 * PAGE).unwrap(), &code, &closed, &read)
}

#[test]
fn errors_in_el2s_tables_are_found() {
    let all = [
        (0x4000, 0x4000, Attributes::CODE),
        (0x5000, 0x5000, Attributes::CODE),
        (0x6000, 0x6000, Attributes::READ_ONLY),
        (0x7000, 0x7000, Attributes::DATA),
        (0x8000, 0x8000, Attributes::DEVICE),
    ];
    assert_eq!(own(&all, 0), Ok(()));
    let finds = |mapping, cleared, what: &str| {
        let found = own(&[mapping], cleared).unwrap_err().0;
        assert!(found.starts_with("EL2: ") && found.contains(what), "{found}");
    };
    finds((0x6000, 0x6000, Attributes::CODE), 0, "executed that is not code, 0x6000");
    finds((0x7000, 0x7000, Attributes::READ_ONLY), NO_EXECUTE, "executed that is not code, 0x7000");
    finds((0x4000, 0x5000, Attributes::CODE), 0, "translated to another, 0x4000");
    finds((0x4000, 0x4000, Attributes::CODE), READ_ONLY, "both written and executed, 0x4000");
    finds((0x9000, 0x9000, Attributes::DATA), 0, "memory is reached that must be closed, 0x9000");
    finds((0x7000, 0x7000, Attributes::DATA), NO_EXECUTE, "both written and executed, 0x7000");
}

const SHARED: u64 = 0x4010_0003;

#[track_caller]
fn expect_of_roots(all: &[Root], what: &str) {
    let found = roots(all.iter().copied()).unwrap_err().0;
    assert!(found.starts_with("EL2's root tables: ") && found.contains(what), "{found}");
}

#[test]
fn roots_that_lead_to_the_same_table_pass() {
    let all = [[SHARED, 0, 0, 0], [0; 4], [SHARED, 0, 0, 0]];
    assert_eq!(roots(all.into_iter()), Ok(Pa::new(0x4010_0000)));
}

#[test]
fn open_windows_of_any_cpu_are_found() {
    for slot in 1..4 {
        let mut all = [[SHARED, 0, 0, 0]; 3];
        all[2][slot] = 0x4020_0003;
        expect_of_roots(&all, "a window is open, of the CPU with stack, 0x2");
        all[2][0] = 0;
        expect_of_roots(&all, "a window is open, of the CPU with stack, 0x2");
        // An invalid entry that is not zero is no result of closing a window either.
        all[2] = [SHARED, 0, 0, 0];
        all[2][slot] = 0x4020_0002;
        expect_of_roots(&all, "a window is open");
    }
}

#[test]
fn roots_that_lead_elsewhere_are_found() {
    expect_of_roots(&[[SHARED, 0, 0, 0], [0x4020_0003, 0, 0, 0]], "to the same table, 0x40200003");
    expect_of_roots(&[[0; 4]; 2], "the first entry leads to no table, 0x0");
    for entry in [0x4010_0001, 0x4010_0002, 0x1000_0000_4010_0003, 0x4010_0803] {
        expect_of_roots(&[[entry, 0, 0, 0]], "the first entry leads to no table");
    }
}

/// The tables of windows onto these memories, one after the other.
struct Windows {
    memory: [Vec<Region<Pa>>; 3],
    tables: [Pa; 3],
    pool: BTreeMap<u64, Descriptors>,
}

const ACCESS: [Access; 3] = [Access::Write, Access::Write, Access::Read];

impl Windows {
    fn new() -> Self {
        let region = |start, size| Region::new(Pa::new(start), size).unwrap();
        let mut windows = Self {
            memory: [
                vec![region(0x4020_0000, 0x40_0000)],
                vec![region(0x7fdf_f000, 0x40_3000)],
                // Two that touch, a third, and one that is there twice.
                vec![region(0x5000_0000, 0x3000), region(0x5000_3000, 0x1000)],
            ],
            tables: [Pa::new(0); 3],
            pool: BTreeMap::new(),
        };
        windows.memory[2].extend([region(0x6000_0000, PAGE), region(0x5000_0000, 0x3000)]);
        let mut place = 0x10_0000;
        let attributes = [Attributes::WINDOW, Attributes::WINDOW, Attributes::READ_ONLY];
        for (number, attributes) in attributes.into_iter().enumerate() {
            windows.tables[number] = Pa::new(place);
            let mut pool = vec![Table::EMPTY; 8];
            let mut tables = Tables::new(&mut pool, Pa::new(place)).unwrap();
            for it in &windows.memory[number] {
                tables.map_missing(it.start(), it.start(), it.size(), attributes).unwrap();
            }
            let used = tables.tables_used();
            for table in &pool[..used] {
                windows.pool.insert(place, *table.descriptors());
                place += PAGE;
            }
        }
        windows
    }

    /// Returns the leaf that maps this address in a window.
    fn leaf(&mut self, window: usize, input: u64) -> &mut u64 {
        let mut table = self.tables[window].get();
        for shift in [30, 21, 12] {
            let slot = (input >> shift) as usize % 512;
            let entry = self.pool[&table][slot];
            if shift == 12 || entry & 0b11 != 0b11 {
                return &mut self.pool.get_mut(&table).unwrap()[slot];
            }
            table = entry & 0x0000_ffff_ffff_f000;
        }
        unreachable!("level 3 has no links")
    }

    /// Audits each window, in its own tables.
    fn audit(&self) -> Result<(), Finding> {
        for (number, access) in ACCESS.into_iter().enumerate() {
            let (memory, table) = (&self.memory[number], self.tables[number]);
            let end = self.tables.get(number + 1).map_or(Pa::new(0x20_0000), |next| *next);
            let tables = Region::between(table, end).unwrap();
            let it = Window { memory, table, access };
            window(&it, tables, &|table| &self.pool[&table.get()])?;
        }
        Ok(())
    }

    #[track_caller]
    fn finds(&self, what: &str) {
        let found = self.audit().unwrap_err().0;
        assert!(found.starts_with("EL2's window: ") && found.contains(what), "{found}");
    }
}

#[test]
fn windows_onto_exactly_their_memory_pass() {
    assert_eq!(Windows::new().audit(), Ok(()));
}

#[test]
fn a_page_of_other_memory_in_a_window_is_found() {
    let mut windows = Windows::new();
    *windows.leaf(1, 0x7fdf_f000) ^= 0x1000;
    windows.finds("an address leads to memory that the Plan does not say, 0x7fdff000");
    let mut windows = Windows::new();
    let leaf = *windows.leaf(0, 0x4020_0000);
    *windows.leaf(0, 0x4060_0000) = leaf & 0xfff0_0000_0000_0fff | 0x4060_0000;
    windows.finds("an address is mapped that the Plan does not give, 0x40600000");
    let mut windows = Windows::new();
    *windows.leaf(2, 0x6000_0000) = 0;
    windows.finds("addresses are missing, of bytes, 0x1000");
}

#[test]
fn windows_with_other_rights_are_found() {
    for (window, input) in [(0, 0x4020_0000), (1, 0x7fdf_f000), (2, 0x5000_0000)] {
        // Executable, read-only or not, without tags or as a device's registers.
        for bits in [NO_EXECUTE, READ_ONLY, 2 << 2, 1 << 2, 1 << 8] {
            let mut windows = Windows::new();
            *windows.leaf(window, input) ^= bits;
            windows.finds("an address has attributes that it must not have");
        }
    }
}

#[test]
fn windows_that_share_a_table_are_found() {
    let mut windows = Windows::new();
    let table = windows.tables[0].get();
    let other = windows.tables[1].get();
    let entry = windows.pool[&other][1];
    windows.pool.get_mut(&table).unwrap()[5] = entry;
    windows.finds("a table lies outside the memory for tables");
    let mut windows = Windows::new();
    let entry = windows.pool[&table][1];
    windows.pool.get_mut(&table).unwrap()[5] = entry;
    windows.finds("a table is reached twice");
}
