//! Properties of the checker, the reader and the writer for random trees and random bytes.

use alloc::string::String;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{header, word};
use crate::arch::intid::Intid;
use crate::boot::fdt::header::HEADER_SIZE;
use crate::boot::fdt::{Node, Tree, Writer, token};
use crate::boot::machine::{ConsoleUart, Machine, free_interrupts};

/// A tree as plain data.
#[derive(Clone, PartialEq, Debug)]
struct Model {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Model>,
}

impl Model {
    fn write(&self, writer: &mut Writer) {
        writer.begin_node(&self.name);
        for (name, value) in &self.properties {
            writer.property(name, value);
        }
        for child in &self.children {
            child.write(writer);
        }
        writer.end_node();
    }

    fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    fn read(node: Node<'_, '_>) -> Self {
        let properties = node.properties();
        Self {
            name: String::from(node.name().trim_start_matches('/')),
            properties: properties
                .map(|property| (property.name.into(), property.value.into()))
                .collect(),
            children: node.children().map(Self::read).collect(),
        }
    }

    fn read_with_dtoolkit(node: dtoolkit::fdt::FdtNode<'_>) -> Self {
        use dtoolkit::{Node, Property};
        Self {
            name: node.name().into(),
            properties: node
                .properties()
                .map(|property| (property.name().into(), property.value().into()))
                .collect(),
            children: node.children().map(Self::read_with_dtoolkit).collect(),
        }
    }
}

/// Names with a meaning, so that random trees reach every part of the reader.
const PROPERTIES: [&str; 18] = [
    "#address-cells",
    "#size-cells",
    "#interrupt-cells",
    "compatible",
    "cpu-release-addr",
    "device_type",
    "dma-coherent",
    "enable-method",
    "interrupt-parent",
    "interrupts",
    "interrupts-extended",
    "interrupt-names",
    "method",
    "phandle",
    "ranges",
    "reg",
    "status",
    "stdout-path",
];
const STRINGS: [&str; 13] = [
    "arm,gic-400",
    "arm,gic-v3",
    "arm,armv8-timer",
    "arm,psci",
    "arm,pl011",
    "cpu",
    "memory",
    "psci",
    "spin-table",
    "smc",
    "okay",
    "disabled",
    "/serial@1",
];
const NODES: [&str; 8] =
    ["cpus", "cpu@0", "memory@0", "reserved-memory", "chosen", "aliases", "serial@1", "serial@2"];

fn cells(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![4 => 0..5_u32, 1 => any::<u32>()];
    prop_oneof![
        5 => vec(cell, 0..9).prop_map(|values| cells(&values)),
        2 => select(&STRINGS[..]).prop_map(|string| [string.as_bytes(), b"\0"].concat()),
        1 => vec(any::<u8>(), 0..9),
    ]
}

fn properties() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let known = select(&PROPERTIES[..]).prop_map(String::from);
    vec((prop_oneof![6 => known, 1 => "[a-z,#-]{1,12}"], value()), 0..9)
}

fn tree() -> impl Strategy<Value = Model> {
    let name = || {
        prop_oneof![
            select(&NODES[..]).prop_map(String::from),
            "[0-9a-zA-Z,._+-]{1,9}(@[0-9a-f,]{1,9})?"
        ]
    };
    let node = |name, properties, children| Model { name, properties, children };
    let leaf = (name(), properties()).prop_map(move |(name, all)| node(name, all, Vec::new()));
    let inner = leaf.prop_recursive(5, 40, 8, move |below| {
        (name(), properties(), vec(below, 0..8))
            .prop_map(move |(name, all, children)| node(name, all, children))
    });
    (properties(), vec(inner, 0..8))
        .prop_map(move |(all, children)| node(String::new(), all, children))
}

/// Reads everything in a tree that passed the check.
fn read_all(tree: &Tree<'_>) {
    for node in tree.nodes() {
        let _ = tree.node(&node.path());
        assert!(node.children().all(|child| child.parent() == Some(node)));
        for property in node.properties() {
            assert!(tree.offset_of(property.value).is_some());
            let _ = property.as_str();
            let _ = property.number();
            let _ = property.strings().map(Iterator::count);
            let _ = property.cells().map(Iterator::count);
        }
        let _ = (node.is_available(), node.is_compatible("arm,pl011"));
        let _ = node.phandle().map(|phandle| tree.by_phandle(phandle).unwrap());
        let _ = node.regions();
        let _ = node.interrupts();
    }
    let _ = tree.memory_reservations().len();
    if let Ok(mut machine) = Machine::read(tree, ConsoleUart::read(tree)) {
        machine.read_devices(tree, &|_| true);
    }
    let _ = free_interrupts(tree, Intid::spi(0).unwrap());
}

/// Returns the offset behind each token of the structure block, as the writer writes it.
fn token_ends(bytes: &[u8]) -> Vec<usize> {
    let mut at = word(bytes, header::STRUCTURE).unwrap() as usize;
    let mut ends = Vec::new();
    loop {
        let size = match word(bytes, at).unwrap() {
            token::BEGIN_NODE => 5 + bytes[at + 4..].iter().position(|b| *b == 0).unwrap(),
            token::PROPERTY => 12 + word(bytes, at + 4).unwrap() as usize,
            token::END => return ends,
            _ => 4,
        };
        at += size.next_multiple_of(4);
        ends.push(at);
    }
}

/// Inserts `words` into the structure block at `at` and corrects the header.
fn insert(bytes: &mut Vec<u8>, at: usize, words: &[u32]) {
    bytes.splice(at..at, cells(words));
    for field in [header::TOTAL_SIZE, header::STRINGS, header::STRUCTURE_SIZE] {
        let value = word(bytes, field).unwrap() + words.len() as u32 * 4;
        bytes[field..field + 4].copy_from_slice(&value.to_be_bytes());
    }
}

#[derive(Clone, Debug)]
enum Mutation {
    FlipBit(Index, u8),
    Truncate(Index),
    Overwrite(Index, u32),
    Insert(Index, u32),
    Header(usize, u32),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let cell = || prop_oneof![3 => 0..10_u32, 1 => 0..4096_u32, 1 => any::<u32>()];
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::FlipBit(at, bit)),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), cell()).prop_map(|(at, cell)| Mutation::Overwrite(at, cell)),
        (any::<Index>(), cell()).prop_map(|(at, cell)| Mutation::Insert(at, cell)),
        (2..10_usize, cell()).prop_map(|(field, cell)| Mutation::Header(field * 4, cell)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    // An earlier mutation may have left too few bytes for this one.
    if bytes.len() < HEADER_SIZE + 4 {
        return;
    }
    let cell_at = |at: &Index, length: usize| at.index(length / 4) * 4;
    match mutation {
        Mutation::FlipBit(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        Mutation::Overwrite(at, cell) => {
            let at = cell_at(at, bytes.len());
            bytes[at..at + 4].copy_from_slice(&cell.to_be_bytes());
        }
        Mutation::Insert(at, cell) => {
            let at = HEADER_SIZE + cell_at(at, bytes.len() - HEADER_SIZE);
            bytes.splice(at..at, cell.to_be_bytes());
            let total = bytes.len() as u32;
            bytes[header::TOTAL_SIZE..][..4].copy_from_slice(&total.to_be_bytes());
        }
        Mutation::Header(field, cell) => {
            bytes[*field..*field + 4].copy_from_slice(&cell.to_be_bytes());
        }
    }
}

proptest! {
    #[test]
    fn a_written_tree_is_read_back(model in tree()) {
        let bytes = model.bytes();
        let tree = Tree::new(&bytes).unwrap();
        prop_assert_eq!(Model::read(tree.root()), model);
    }

    #[test]
    fn another_reader_agrees(model in tree()) {
        let bytes = model.bytes();
        let tree = dtoolkit::fdt::Fdt::new(&bytes).unwrap();
        prop_assert_eq!(Model::read_with_dtoolkit(tree.root()), model);
    }

    #[test]
    fn nops_are_skipped(model in tree(), places in vec((any::<Index>(), 1..4_usize), 0..9)) {
        let mut bytes = model.bytes();
        for (place, count) in places {
            let ends = token_ends(&bytes);
            let at = ends[place.index(ends.len())];
            insert(&mut bytes, at, &[token::NOP; 3][..count]);
        }
        let tree = Tree::new(&bytes).unwrap();
        prop_assert_eq!(Model::read(tree.root()), model);
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..256)) {
        let _ = Tree::new(&bytes).map(|tree| read_all(&tree));
    }

    #[test]
    fn random_bytes_behind_a_header_are_safe(
        mut model in tree(),
        rest in vec(any::<u8>(), 0..256),
    ) {
        model.children.clear();
        let mut bytes = model.bytes();
        let strings = word(&bytes, header::STRINGS).unwrap() as usize;
        for (to, from) in bytes[HEADER_SIZE..strings].iter_mut().skip(16).zip(rest) {
            *to = from;
        }
        let _ = Tree::new(&bytes).map(|tree| read_all(&tree));
    }

    #[test]
    fn damaged_trees_do_not_panic(model in tree(), damage in vec(mutation(), 0..4)) {
        let mut bytes = model.bytes();
        for mutation in &damage {
            mutate(&mut bytes, mutation);
        }
        let _ = Tree::new(&bytes).map(|tree| read_all(&tree));
    }
}
