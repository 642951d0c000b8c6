//! Finds the images of a description, which are inside it or elsewhere in memory.

use alloc::string::String;
use core::fmt;

use crate::arch::addr::{Bytes, Pa, Region};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::fdt::{Node, Property, Tree};

/// The source of a kernel or ramdisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDescription {
    /// The path of the node.
    pub path: String,
    /// The property with its bytes or their address: `data` or `reg`.
    pub property: &'static str,
    /// The physical addresses of its bytes; not empty.
    pub region: Region<Pa>,
}

impl fmt::Display for ImageDescription {
    /// Writes the property and the size, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ": {} ({} bytes)", self.property, self.region.size())
    }
}

/// Returns the bytes of a region, to read an image that is not inside the description; `None` if
/// the region is not all memory.
pub type Peek<'p> = &'p dyn Fn(Region<Pa>) -> Option<&'p [u8]>;

/// Finds images.
pub(super) struct Images<'a> {
    pub tree: &'a Tree<'a>,
    /// The physical address of the tree.
    pub base: Pa,
    pub peek: Peek<'a>,
}

impl<'a> Images<'a> {
    /// Returns the image that a node describes, and its bytes.
    ///
    /// # Errors
    ///
    /// If the node has not exactly one of `data` and `reg`, or an image that is empty or outside
    /// memory.
    pub fn find(&self, node: Node<'a, 'a>) -> Result<(ImageDescription, &'a [u8])> {
        let path = node.path();
        let reg = node.read("reg", "an address in two cells and a size in two cells", region)?;
        let (property, region, bytes) = match (node.property("data"), reg) {
            (Some(_), Some(_)) => {
                refuse!(path, ": data and reg are both present: give only one of them")
            }
            (None, None) => refuse!(path, ": data is missing: give /incbin/(\"file\")"),
            (Some(Property { value, .. }), None) => {
                let offset = self.tree.offset_of(value).unwrap_or_default() as u64;
                let start = self.base.checked_add(offset);
                let region = start.and_then(|start| Region::new(start, value.len() as u64));
                let Some(region) = region.filter(|region| !region.is_empty()) else {
                    refuse!(path, ": data (0 bytes) is empty: give at least one byte");
                };
                ("data", region, value)
            }
            (None, Some((region, value))) => {
                let (value, size) = (Cells(value), Bytes(region.size()));
                if region.is_empty() {
                    refuse!(path, ": reg = {value} is empty: give at least one byte");
                }
                let Some(bytes) = (self.peek)(region) else {
                    refuse!(path, ": reg = {value} is not the start of {size} of memory");
                };
                ("reg", region, bytes)
            }
        };
        Ok((ImageDescription { path, property, region }, bytes))
    }
}

/// Returns the region that `reg` describes, with an address and a size of two cells each, and the
/// value of `reg`.
fn region<'a>(reg: &Property<'a>) -> Option<(Region<Pa>, &'a [u8])> {
    let ([start, size], []) = reg.value.as_chunks() else {
        return None;
    };
    let start = Pa::new(u64::from_be_bytes(*start));
    Some((Region::new(start, u64::from_be_bytes(*size))?, reg.value))
}
