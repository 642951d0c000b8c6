//! Where the images of a description are: inside it, or in memory already.

use alloc::string::String;
use core::fmt;

use crate::arch::addr::{Bytes, Pa, Region};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::fdt::{Node, Property, Tree};

/// Where the bytes of a kernel or ramdisk are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDescription {
    /// The path of the node.
    pub path: String,
    /// The property that says it: `data` or `reg`.
    pub property: &'static str,
    /// Where they are; not empty.
    pub region: Region<Pa>,
}

impl fmt::Display for ImageDescription {
    /// The property and its size, as messages have them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ": {} ({} bytes)", self.property, self.region.size())
    }
}

/// Lets a region of memory be read, for an image that is not inside the description. `None` if the
/// region is not all memory.
pub type Peek<'p> = &'p dyn Fn(Region<Pa>) -> Option<&'p [u8]>;

/// Finds images.
pub(super) struct Images<'a> {
    pub tree: &'a Tree<'a>,
    /// Where the tree is.
    pub base: Pa,
    pub peek: Peek<'a>,
}

impl<'a> Images<'a> {
    /// The image that a node is about, and its bytes.
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
                    refuse!(path, ": data (0 bytes) is empty: give at least one");
                };
                ("data", region, value)
            }
            (None, Some((region, value))) => {
                let (value, size) = (Cells(value), Bytes(region.size()));
                if region.is_empty() {
                    refuse!(path, ": reg = {value} is empty: give at least one");
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

/// `reg = <hi lo hi lo>`, and its bytes.
fn region<'a>(reg: &Property<'a>) -> Option<(Region<Pa>, &'a [u8])> {
    let ([start, size], []) = reg.value.as_chunks() else {
        return None;
    };
    let start = Pa::new(u64::from_be_bytes(*start));
    Some((Region::new(start, u64::from_be_bytes(*size))?, reg.value))
}
