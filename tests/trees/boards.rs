//! The trees of Debian's kernel package, each read as the tree of a machine: which are accepted, and
//! which have a console that Bulkhead drives.
//!
//! `docs/boards.md` has the counts. `BULKHEAD_UPDATE=1 cargo test --test trees boards` writes them
//! anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::{env, fs};

use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{ConsoleUart, Machine, MachineError};
use common::{file, root};

use super::debian::{MIN_TREES, files};

/// The lines around the counts in the document.
const BEGIN: &str = "<!-- tests/trees/boards.rs writes from here -->\n";
const END: &str = "<!-- to here -->\n";

/// Where memory is put in trees without memory, which firmware adds: the first address at which it is
/// not over the devices.
const MEMORY: [u64; 4] = [0x4000_0000, 0x8000_0000, 0, 0x10_0000_0000];
const MEMORY_SIZE: u64 = 0x1000_0000;

/// The numbers of trees of one family of SoCs.
#[derive(Default, Clone, Copy)]
struct Family {
    all: usize,
    /// Those whose machine is accepted.
    accepted: usize,
    /// Those of them with a console that has input and output.
    both: usize,
    /// Those of them with a console that has output.
    output: usize,
    /// Those of them whose tree names no console.
    unnamed: usize,
}

/// What is counted.
#[derive(Default)]
struct Counts {
    families: BTreeMap<String, Family>,
    /// The numbers of trees that are refused with a sentence, without the paths in it.
    refusals: BTreeMap<String, usize>,
    /// The numbers of accepted trees without a console, by the sentence and the UART.
    silent: BTreeMap<String, usize>,
}

/// Returns a tree with memory at this address.
fn with_memory(blob: &[u8], address: u64) -> Vec<u8> {
    let word = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
    let (structure, strings, reserved) = (word(8), word(12), word(16));
    let (strings_size, structure_size) = (word(32), word(36));
    let tree = Tree::new(blob).expect("the tree is well-formed");
    let cells = |name| tree.root().property(name).and_then(|it| it.u32());
    let (address_cells, size_cells) = (cells("#address-cells"), cells("#size-cells"));
    let mut reg = Vec::new();
    for (value, cells) in
        [(address, address_cells.unwrap_or(2)), (MEMORY_SIZE, size_cells.unwrap_or(1))]
    {
        let bytes = value.to_be_bytes();
        reg.extend_from_slice(if cells == 1 { &bytes[4..] } else { &bytes });
    }
    // FDT_BEGIN_NODE, two FDT_PROP and FDT_END_NODE (Devicetree Specification 0.4, 5.4).
    let mut node = [&1_u32.to_be_bytes(), &b"memory@0\0\0\0\0"[..]].concat();
    let names = ["device_type\0", "reg\0"];
    let offsets = [strings_size, strings_size + names[0].len()];
    for (offset, value) in offsets.into_iter().zip([&b"memory\0"[..], &reg]) {
        for word in [3, value.len() as u32, offset as u32] {
            node.extend(word.to_be_bytes());
        }
        node.extend(value);
        node.resize(node.len().next_multiple_of(4), 0);
    }
    node.extend(2_u32.to_be_bytes());
    // Before the root's FDT_END_NODE, and FDT_END.
    let end = structure + structure_size - 8;
    let reserved_end =
        (reserved..).step_by(16).find(|at| blob[*at..*at + 16] == [0; 16]).unwrap() + 16;
    let mut all = vec![0; 40];
    let mut starts = Vec::new();
    for part in [
        blob[reserved..reserved_end].to_vec(),
        [&blob[structure..end], &node, &blob[end..end + 8]].concat(),
        [&blob[strings..strings + strings_size], names.concat().as_bytes()].concat(),
    ] {
        starts.push((all.len(), part.len()));
        all.extend(part);
    }
    let [(reserved, _), (structure, structure_size), (strings, strings_size)] = starts[..] else {
        unreachable!("there are three parts");
    };
    let header = [0xd00d_feed, all.len(), structure, strings, reserved, 17, 16, word(28)];
    for (index, value) in header.into_iter().chain([strings_size, structure_size]).enumerate() {
        all[index * 4..index * 4 + 4].copy_from_slice(&(value as u32).to_be_bytes());
    }
    all
}

/// Reads the machine of a tree, with memory if it has none.
fn read(blob: &[u8]) -> Result<Machine, MachineError> {
    let read = |blob: &[u8]| {
        let tree = Tree::new(blob).expect("the tree is well-formed");
        Machine::read(&tree, ConsoleUart::read(&tree))
    };
    let mut result = read(blob);
    for address in MEMORY {
        let is_over_devices =
            |error: &MachineError| error.to_string().contains("its registers are in what the tree");
        match &result {
            Err(MachineError::Missing("memory")) => {}
            Err(error) if is_over_devices(error) => {}
            _ => break,
        }
        result = read(&with_memory(blob, address));
    }
    result
}

impl Counts {
    /// Counts a tree of a family.
    fn add(&mut self, family: &str, blob: &[u8]) {
        let family = self.families.entry(family.to_string()).or_default();
        family.all += 1;
        let machine = match read(blob) {
            Ok(machine) => machine,
            Err(error) => {
                let sentence = match &error {
                    MachineError::Missing(_) => error.to_string(),
                    MachineError::Node { error, .. } => {
                        format!("NODE of the machine's tree: {error}")
                    }
                };
                *self.refusals.entry(sentence).or_default() += 1;
                return;
            }
        };
        family.accepted += 1;
        match machine.console {
            Some(console) if console.interrupt.is_some() => family.both += 1,
            Some(_) => family.output += 1,
            None => {
                let tree = Tree::new(blob).expect("the tree is well-formed");
                match ConsoleUart::read(&tree) {
                    Ok(_) => family.unnamed += 1,
                    Err(sentence) => {
                        let (_, why) = sentence.rsplit_once("`, ").expect("it names the UART");
                        let name = sentence.split('`').nth(1).unwrap_or_default();
                        let node = tree.node(name.split(':').next().unwrap_or_default());
                        let uart = node.and_then(|node| node.compatible().last());
                        let uart = uart.map_or(String::new(), |name| format!(" (`{name}`)"));
                        *self.silent.entry(format!("{why}{uart}")).or_default() += 1;
                    }
                }
            }
        }
    }

    /// Returns the sum over all families.
    fn sum(&self) -> Family {
        self.families.values().fold(Family::default(), |sum, it| Family {
            all: sum.all + it.all,
            accepted: sum.accepted + it.accepted,
            both: sum.both + it.both,
            output: sum.output + it.output,
            unnamed: sum.unnamed + it.unnamed,
        })
    }

    /// Returns the part of the document.
    fn text(&self, kernel: &str) -> String {
        let mut text = format!(
            "\nThe trees of {kernel}, by the folder of the SoC's maker:\n\n\
             | | trees | accepted | with input and output | with output | name no console |\n\
             |---|--:|--:|--:|--:|--:|\n"
        );
        let sum = self.sum();
        let families = self.families.iter().map(|(name, family)| (&**name, family));
        for (name, it) in families.chain([("**all**", &sum)]) {
            let Family { all, accepted, both, output, unnamed } = it;
            writeln!(text, "| {name} | {all} | {accepted} | {both} | {output} | {unnamed} |")
                .unwrap();
        }
        for (heading, counts) in [
            ("The trees that are refused, by the sentence", &self.refusals),
            ("The accepted trees whose console is not used, by what Bulkhead says", &self.silent),
        ] {
            writeln!(text, "\n{heading}:\n\n| | trees |\n|---|--:|").unwrap();
            let mut rows: Vec<_> = counts.iter().collect();
            rows.sort_by_key(|(sentence, count)| (usize::MAX - **count, *sentence));
            for (sentence, count) in rows {
                writeln!(text, "| {sentence} | {count} |").unwrap();
            }
        }
        text + "\n"
    }
}

#[test]
fn boards_that_are_accepted_and_have_a_console() {
    let kernel = file("target/linux/trees/kernel");
    let directory = kernel.parent().expect("a file has a directory");
    let mut counts = Counts::default();
    for file in files(directory) {
        let family = file.strip_prefix(directory).expect("it is below").iter().next();
        let family = family.and_then(|it| it.to_str()).expect("paths are UTF-8");
        counts.add(family, &fs::read(&file).expect("the tree can be read"));
    }
    let sum = counts.sum();
    assert!(sum.all > MIN_TREES, "only {} trees", sum.all);
    // Whatever the kernel: nine of ten are accepted, and of those eight have a console.
    assert!(sum.accepted * 10 >= sum.all * 9, "{} of {} are accepted", sum.accepted, sum.all);
    let consoles = sum.both + sum.output;
    assert!(consoles * 10 >= sum.accepted * 8, "{consoles} of {} have a console", sum.accepted);

    let kernel = fs::read_to_string(&kernel).expect("the kernel's name can be read");
    let text = counts.text(kernel.trim());
    let path = root().join("docs/boards.md");
    let document = fs::read_to_string(&path).expect("the document can be read");
    let (before, rest) = document.split_once(BEGIN).expect("it has the first line");
    let (written, after) = rest.split_once(END).expect("it has the last line");
    if env::var_os("BULKHEAD_UPDATE").is_some() {
        let document = [before, BEGIN, &text, END, after].concat();
        return fs::write(path, document).expect("the document can be written");
    }
    // Another kernel has other boards.
    if written.contains(&format!("The trees of {},", kernel.trim())) {
        let way = "if that is meant: BULKHEAD_UPDATE=1 cargo test --test trees boards";
        assert!(written == text, "docs/boards.md has\n{written}\nand not\n{text}\n{way}");
    }
}
