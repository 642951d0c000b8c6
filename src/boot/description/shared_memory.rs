//! Reads the links of `type = "memory"`: memory that several partitions have together.

use alloc::string::String;
use alloc::vec::Vec;

use super::links;
use super::{Result, refuse};
use crate::boot::fdt::Node;

/// The description of memory that partitions share: a node of `links`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMemoryDescription {
    /// The path of its node.
    pub path: String,
    /// The name of its node, 1 to 15 letters, digits, hyphens and underscores.
    pub name: String,
    /// `partitions`: at least two different ones, as indices into [`Description::partitions`]. The
    /// index of one in this list is the number of its port.
    ///
    /// [`Description::partitions`]: super::Description::partitions
    pub partitions: Vec<usize>,
    /// `size` in bytes: a multiple of the page size, not 0.
    pub size: u64,
}

/// Reads the links of `type = "memory"` of the description `system`, whose partitions have these
/// names. [`links::links`] has checked the names of all links.
///
/// # Errors
///
/// The first error.
pub(super) fn shared_memory(
    system: Node<'_, '_>,
    partitions: &[&str],
) -> Result<Vec<SharedMemoryDescription>> {
    let mut all = Vec::new();
    let Some(node) = system.first_child("links") else { return Ok(all) };
    for node in node.children() {
        if links::is_memory(node)? {
            all.push(read(node, partitions)?);
        }
    }
    Ok(all)
}

/// Reads the node of such a link.
fn read(node: Node<'_, '_>, partitions: &[&str]) -> Result<SharedMemoryDescription> {
    node.check(&links::PROPERTIES, Some(&[]))?;
    let path = node.path();
    for property in links::OF_NETWORKS {
        if node.property(property).is_some() {
            refuse!(path, ": {property} is only for type = \"network\"");
        }
    }
    let partitions = links::ports(node, partitions)?;
    let size = match node.pages("size", 2)? {
        Some(0) => refuse!(path, ": size = <0x0 0x0> is empty: give at least one page"),
        Some(size) => size,
        None => {
            let like = "the bytes in two cells, as in <0x0 0x100000>";
            refuse!(path, ": size is missing: give {like}")
        }
    };
    Ok(SharedMemoryDescription { name: String::from(node.plain_name()?), path, partitions, size })
}
