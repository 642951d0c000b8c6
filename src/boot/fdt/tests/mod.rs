use alloc::string::ToString;
use alloc::vec::Vec;

use super::header::HEADER_SIZE;
use super::*;
use crate::arch::addr::{Pa, Region};

mod interrupts;
mod random;
mod ranges;

/// The offsets of the header's fields in bytes.
mod header {
    pub const TOTAL_SIZE: usize = 4;
    pub const STRUCTURE: usize = 8;
    pub const STRINGS: usize = 12;
    pub const RESERVATIONS: usize = 16;
    pub const COMPATIBLE_VERSION: usize = 24;
    pub const STRINGS_SIZE: usize = 32;
    pub const STRUCTURE_SIZE: usize = 36;
}

/// Returns the big-endian word at `offset`.
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let cell = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*cell))
}

/// Returns a tree whose root `fill` writes.
fn tree(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.begin_node("");
    fill(&mut writer);
    writer.end_node();
    writer.finish()
}

fn node(writer: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    writer.begin_node(name);
    fill(writer);
    writer.end_node();
}

fn cells(writer: &mut Writer, address: u32, size: u32) {
    writer.property_u32("#address-cells", address);
    writer.property_u32("#size-cells", size);
}

fn set(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
}

fn error(bytes: &[u8]) -> TreeError {
    Tree::new(bytes).map(|_| ()).unwrap_err()
}

fn small() -> Vec<u8> {
    tree(|root| {
        root.property_str("model", "a board");
        node(root, "uart@9000000", |uart| uart.property_u32("phandle", 1));
    })
}

/// The offsets of the tokens of `small`, whose structure block starts at 56.
const ROOT: usize = 56;
const MODEL: usize = ROOT + 8;
const UART: usize = MODEL + 20;
const PHANDLE: usize = UART + 20;
const ENDS: usize = PHANDLE + 16;

#[test]
fn bytes_that_are_not_a_tree_are_rejected() {
    let text = |bytes: &[u8]| error(bytes).to_string();
    assert_eq!(text(&[]), "truncated: 40 bytes are needed, 0 are there");
    assert_eq!(text(&[0; 64]), "not a device tree: it starts with 0x00000000, not with 0xd00dfeed");
    let mut bytes = small();
    let total = bytes.len();
    assert_eq!(Tree::total_size(&bytes[..HEADER_SIZE]), Ok(total));
    assert_eq!(
        error(&bytes[..total - 1]),
        TreeError::Truncated { needed: total, given: total - 1 }
    );
    set(&mut bytes, header::COMPATIBLE_VERSION, 18);
    assert_eq!(text(&bytes), "malformed: its version is not 17, at byte 0x14");
}

#[test]
fn every_violation_has_its_clause() {
    type Edit = fn(&mut [u8]);
    let faults: &[(Edit, &str)] = &[
        (|b| set(b, header::TOTAL_SIZE, 39), "less than a header"),
        (|b| set(b, header::STRINGS_SIZE, 999), "reaches past the end"),
        (|b| set(b, header::STRUCTURE, u32::MAX), "reaches past the end"),
        (|b| set(b, header::STRUCTURE, 58), "a block is not aligned"),
        (|b| set(b, header::STRUCTURE, 48), "unknown token"),
        (|b| set(b, header::RESERVATIONS, 44), "a block is not aligned"),
        (|b| set(b, header::RESERVATIONS, 4096), "reaches past the end"),
        (|b| set(b, header::RESERVATIONS, ROOT as u32), "do not end"),
        (|b| b[40..56].fill(0xff), "a memory reservation wraps"),
        (|b| *b.last_mut().unwrap() = b'!', "a property has no name"),
        (|b| b[ENDS + 12] = 0x80, "a property has no name"),
        (|b| set(b, ROOT, 5), "unknown token, at byte 0x38"),
        (|b| set(b, ROOT, token::END), "there is no root node"),
        (|b| set(b, ROOT, token::END_NODE), "no BEGIN_NODE"),
        (|b| b[ROOT + 4] = b'r', "the root node has a name"),
        (|b| b[UART + 4] = 0, "a node has no name"),
        (|b| b[UART + 6] = b'/', "forbidden byte"),
        (|b| b[UART + 6] = b'\n', "forbidden byte"),
        (|b| set(b, MODEL + 4, 999), "value is too long"),
        (|b| set(b, MODEL + 4, u32::MAX), "value is too long"),
        (|b| set(b, MODEL + 8, 14), "a property has no name"),
        (|b| set(b, MODEL + 8, u32::MAX), "a property has no name"),
        (|b| set(b, ENDS, token::END), "ends inside a node"),
        (|b| set(b, ENDS + 8, token::NOP), "ends early"),
    ];
    for (edit, words) in faults {
        let mut bytes = small();
        edit(&mut bytes);
        let text = error(&bytes).to_string();
        assert!(text.contains(words), "`{text}` instead of `{words}`");
    }
}

#[test]
fn properties_come_before_nodes_and_inside_the_root() {
    let behind = tree(|root| {
        node(root, "a", |_| ());
        root.property_empty("late");
    });
    let mut writer = Writer::new();
    writer.property_empty("early");
    for bytes in [&behind, &writer.finish()] {
        let text = error(bytes).to_string();
        assert!(text.contains("follows a child node"), "{text}");
    }
}

#[test]
fn there_is_one_root_and_a_deepest_level() {
    let mut writer = Writer::new();
    for _ in 0..2 {
        writer.begin_node("");
        writer.end_node();
    }
    let text = error(&writer.finish()).to_string();
    assert!(text.contains("second root"), "{text}");
    for (depth, fits) in [(31, true), (32, false)] {
        let bytes = tree(|root| {
            (0..depth).for_each(|_| root.begin_node("deep"));
            (0..depth).for_each(|_| root.end_node());
        });
        let deep = Tree::new(&bytes);
        assert_eq!(deep.is_ok(), fits, "{depth} levels below the root");
    }
}

#[test]
fn nodes_are_found_by_path_alias_and_phandle() {
    let bytes = tree(|root| {
        node(root, "aliases", |aliases| {
            aliases.property_str("bus", "/soc");
            aliases.property_str("console", "/soc/uart@1");
        });
        node(root, "soc", |soc| {
            node(soc, "uart@1", |uart| uart.property_u32("phandle", 7));
            node(soc, "uart@2", |_| ());
            node(soc, "rtc@3", |rtc| node(rtc, "part", |_| ()));
        });
        node(root, "uart@1", |_| ());
    });
    let tree = Tree::new(&bytes).unwrap();
    let path = |path: &str| tree.node(path).map(Node::path);
    for (given, found) in [
        ("/", "/"),
        ("/soc/uart@2", "/soc/uart@2"),
        ("/soc/rtc@3/part", "/soc/rtc@3/part"),
        ("console", "/soc/uart@1"),
        ("bus/rtc@3", "/soc/rtc@3"),
    ] {
        assert_eq!(path(given).as_deref(), Some(found));
    }
    for given in ["", "soc", "/soc/uart", "/soc/uart@", "/soc/ua", "/uart@1/soc"] {
        assert_eq!(path(given), None, "{given}");
    }
    let uart = tree.by_phandle(7).unwrap();
    assert_eq!(uart.path(), "/soc/uart@1");
    assert_eq!(uart.parent().map(Node::name), Some("soc"));
    assert!(tree.by_phandle(8).is_none());
    assert_eq!(tree.node("/soc").unwrap().children().count(), 3);
}

#[test]
fn values_are_read_only_as_their_type() {
    let property = |value| Property { name: "p", value };
    assert_eq!(property(b"one\0").as_str(), Some("one"));
    for value in [&b""[..], b"one", b"one\0two\0", b"\xff\0"] {
        assert_eq!(property(value).as_str(), None);
    }
    let strings = |value| Some(property(value).strings()?.collect::<Vec<_>>());
    assert_eq!(strings(b"one\0two\0"), Some(["one", "two"].into()));
    assert_eq!(strings(b"one\0two"), None);
    assert_eq!(property(&[0, 0, 1, 2]).number(), Some(0x102));
    assert_eq!(property(&[0, 0, 0, 1, 0, 0, 0, 2]).number(), Some(1 << 32 | 2));
    assert_eq!(property(&[0; 5]).number(), None);
    assert!(property(&[0; 5]).cells().is_none());
}

#[test]
fn names_of_properties_are_written_once() {
    let bytes = tree(|root| {
        root.property_u32("reg", 0);
        root.property_u32("status", 0);
        node(root, "child", |child| child.property_u32("reg", 0));
    });
    assert!(bytes.ends_with(b"\0\0\0\x09reg\0status\0"));
}

#[test]
fn memory_reservations_are_read() {
    let mut bytes = small();
    let entry = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
    bytes.splice(40..40, entry);
    for field in [header::TOTAL_SIZE, header::STRUCTURE, header::STRINGS] {
        let moved = word(&bytes, field).unwrap() + 16;
        set(&mut bytes, field, moved);
    }
    let tree = Tree::new(&bytes).unwrap();
    assert_eq!(tree.memory_reservations(), [region(1 << 32, 0x1000)]);
}

#[test]
fn the_offset_of_a_value_is_known() {
    let bytes = small();
    let tree = Tree::new(&bytes).unwrap();
    let model = tree.root().property("model").unwrap();
    assert_eq!(tree.offset_of(model.value), Some(MODEL + 12));
    assert_eq!(tree.offset_of(&[0]), None);
}

fn region(start: u64, size: u64) -> Region<Pa> {
    Region::new(Pa::new(start), size).unwrap()
}

#[test]
fn of_two_properties_with_one_name_the_first_is_found() {
    let bytes = tree(|root| {
        node(root, "twice", |twice| {
            twice.property_str("status", "disabled");
            twice.property_str("compatible", "acme,first");
            twice.property_str("status", "okay");
            twice.property_str("compatible", "acme,second");
        });
    });
    let tree = Tree::new(&bytes).unwrap();
    let twice = tree.node("/twice").unwrap();
    assert!(!twice.is_available() && twice.string("status") == Some("disabled"));
    assert!(twice.is_compatible("acme,first") && !twice.is_compatible("acme,second"));
}
