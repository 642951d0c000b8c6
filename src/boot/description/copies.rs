//! Reads the names of the partitions of one node, which are several with `copies`.
//!
//! | the node | its partitions |
//! |---|---|
//! | `web` | `web` |
//! | `web`, with `copies = <3>` | `web0`, `web1`, `web2` |
//!
//! Copies differ in their names alone. So a node with `copies` has none of [`ONLY_ONE`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::fields::MAX_NAME;
use super::{Result, refuse};
use crate::boot::fdt::Node;

/// The largest number of partitions: as many as there are VMIDs of 8 bits without 0.
const MAX_PARTITIONS: u32 = 255;

/// The properties whose value only one partition can have.
const ONLY_ONE: [&str; 5] = ["cpu-ids", "host-base", "devices", "trusted-devices", "monitor"];

/// The names of partitions, and of the nodes that have copies.
#[derive(Default)]
pub(super) struct Names {
    /// In ascending order.
    all: Vec<String>,
    /// The number of partitions.
    partitions: u32,
}

impl Names {
    /// Adds a name. Returns whether it is a new one.
    fn add(&mut self, name: &str) -> bool {
        match self.all.binary_search_by(|known| known.as_str().cmp(name)) {
            Ok(_) => false,
            Err(index) => {
                self.all.insert(index, String::from(name));
                true
            }
        }
    }
}

/// Returns the names of the partitions that `node` describes, and adds them to `names`.
///
/// # Errors
///
/// If a name is too long or given already, if there are too many partitions, or if the node has
/// `copies` and one of [`ONLY_ONE`].
pub(super) fn read(node: Node<'_, '_>, names: &mut Names) -> Result<Vec<String>> {
    // The name is printed before each line of the partition on the console.
    let (path, name) = (node.path(), node.plain_name()?);
    let copies = node.cell("copies")?;
    if let Some(copies) = copies
        && !(1..=MAX_PARTITIONS).contains(&copies)
    {
        refuse!(path, ": copies = <{copies}> is not from 1 to {MAX_PARTITIONS}");
    }
    if !names.add(name) {
        refuse!(path, ": name = \"{name}\" is already given to another partition");
    }
    names.partitions += copies.unwrap_or(1);
    if names.partitions > MAX_PARTITIONS {
        let parent = node.parent().map_or(String::new(), Node::path);
        refuse!(parent, " has more partitions than there are VMIDs, {MAX_PARTITIONS}");
    }
    let Some(copies) = copies else { return Ok(Vec::from([String::from(name)])) };
    if let Some(property) = ONLY_ONE.into_iter().find(|name| node.property(name).is_some()) {
        let way = format_args!("give a partition with {property} a node of its own");
        refuse!(path, ": copies = <{copies}> and {property} are both present: {way}");
    }
    let mut copied = Vec::with_capacity(copies as usize);
    for number in 0..copies {
        let name = format!("{name}{number}");
        if name.len() > MAX_NAME {
            let why = format_args!("which is longer than {MAX_NAME} characters");
            let way = "give a shorter name";
            refuse!(path, ": copies = <{copies}> makes the name \"{name}\", {why}: {way}");
        }
        if !names.add(&name) {
            let why = "which is already given to another partition";
            refuse!(path, ": copies = <{copies}> makes the name \"{name}\", {why}");
        }
        copied.push(name);
    }
    Ok(copied)
}
