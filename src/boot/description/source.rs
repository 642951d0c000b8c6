//! Finds the images of a description, which are inside it or elsewhere in memory.
//!
//! | a node has | its image |
//! |---|---|
//! | `data` | is these bytes |
//! | `reg` | is in memory already, at this address |
//! | `image` | is that of the node with this name below the system's node `images` |

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::arch::addr::{Bytes, Pa, Region};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::fdt::{Node, Property, Tree};
use crate::util::nearest::nearest;

/// The properties of which a node with an image has one.
pub(super) const IMAGE_PROPERTIES: [&str; 3] = ["data", "reg", "image"];

/// The source of a kernel or ramdisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDescription {
    /// The path of the node.
    pub path: String,
    /// The property with its bytes, their address or their name: `data`, `reg` or `image`.
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
    tree: &'a Tree<'a>,
    /// The physical address of the tree.
    base: Pa,
    peek: Peek<'a>,
    /// The node `images` of the system: a child for each image that has a name.
    named: Option<Node<'a, 'a>>,
}

impl<'a> Images<'a> {
    /// Reads the node `images` of the description `system` in `tree`, which is at `base`.
    ///
    /// # Errors
    ///
    /// If one of the images has no valid name or no bytes.
    pub fn read(
        tree: &'a Tree<'a>,
        system: Node<'a, 'a>,
        base: Pa,
        peek: Peek<'a>,
    ) -> Result<Self> {
        let images = Self { tree, base, peek, named: system.first_child("images") };
        let Some(node) = images.named else { return Ok(images) };
        node.check(&[], None)?;
        let mut names = Vec::new();
        for node in node.children() {
            let name = node.plain_name()?;
            if names.contains(&name) {
                refuse!(node.path(), ": name = \"{name}\" is already given to another image");
            }
            names.push(name);
            node.check(&["data", "reg"], Some(&[]))?;
            images.bytes(node)?;
        }
        Ok(images)
    }

    /// Returns the image that a node describes, and its bytes.
    ///
    /// # Errors
    ///
    /// If the node has not exactly one of [`IMAGE_PROPERTIES`], or an image that is empty, outside
    /// memory, or not below the node `images`.
    pub fn find(&self, node: Node<'a, 'a>) -> Result<(ImageDescription, &'a [u8])> {
        let path = node.path();
        let mut given = IMAGE_PROPERTIES.into_iter().filter(|name| node.property(name).is_some());
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            refuse!(path, ": {first} and {second} are both present: give only one of them");
        }
        let (property, region, bytes) = match node.text("image")? {
            Some(name) => {
                let (_, region, bytes) = self.bytes(self.named(&path, name)?)?;
                ("image", region, bytes)
            }
            None => self.bytes(node)?,
        };
        Ok((ImageDescription { path, property, region }, bytes))
    }

    /// Returns the node of the image that the node at `path` names.
    fn named(&self, path: &str, name: &str) -> Result<Node<'a, 'a>> {
        let mut nodes = self.named.into_iter().flat_map(Node::children);
        if let Some(node) = nodes.find(|node| node.name() == name) {
            return Ok(node);
        }
        let nodes = self.named.into_iter().flat_map(Node::children);
        match nearest(name.as_bytes(), &mut nodes.map(Node::name)) {
            "" => {
                let way = "give it a node with data below a node images, beside partitions";
                refuse!(path, ": image = \"{name}\" is not an image: {way}")
            }
            nearest => {
                let why = "is not a node below images; the nearest name is";
                refuse!(path, ": image = \"{name}\" {why} \"{nearest}\"")
            }
        }
    }

    /// Returns which of `data` and `reg` a node has, and the bytes that it describes.
    fn bytes(&self, node: Node<'a, 'a>) -> Result<(&'static str, Region<Pa>, &'a [u8])> {
        let path = node.path();
        let reg = node.read("reg", "an address in two cells and a size in two cells", region)?;
        match (node.property("data"), reg) {
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
                Ok(("data", region, value))
            }
            (None, Some((region, value))) => {
                Ok(("reg", region, whole_memory(&path, value, region, self.peek)?))
            }
        }
    }
}

/// Returns the bytes of the image at `region`, which is what `reg` of the node at `path` describes.
///
/// # Errors
///
/// If it is empty or not all memory.
pub(super) fn whole_memory<'a>(
    path: &str,
    reg: &[u8],
    region: Region<Pa>,
    peek: Peek<'a>,
) -> Result<&'a [u8]> {
    let (value, size) = (Cells(reg), Bytes(region.size()));
    if region.is_empty() {
        refuse!(path, ": reg = {value} is empty: give at least one byte");
    }
    match peek(region) {
        Some(bytes) => Ok(bytes),
        None => refuse!(path, ": reg = {value} is not the start of {size} of memory"),
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
