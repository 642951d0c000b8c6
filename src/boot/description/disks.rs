//! Reads the node `disks` of a partition.
//!
//! | a disk has | its first contents | the guest may write it |
//! |---|---|---|
//! | `data`, `reg` or `image` | the image | yes |
//! | one of these, and `read-only` | the image | no |
//! | `size` | zeros | yes |
//! | `same-as` | those of another disk with `read-only`, of which there is one copy for all | no |
//!
//! | `interface` | the guest has |
//! |---|---|
//! | `"pmem"`, the default | the disk's memory, at addresses of its own |
//! | `"virtio"` | a block device (virtio-blk), and none of the disk's memory |

use alloc::string::String;
use alloc::vec::Vec;

use super::ImageDescription;
use super::source::Images;
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::fdt::{Node, Property};

/// The size of a disk is a multiple of this many bytes: Linux gives memory of its own to no less
/// (`SUBSECTION_SIZE`), and stage 2 maps this much by one leaf.
pub const DISK_ALIGN: u64 = 2 << 20;

/// The number of disks that a partition can have.
const MAX_DISKS: usize = 64;

/// The description of a disk: its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskDescription {
    /// The path of its node.
    pub path: String,
    /// The name of its node.
    pub name: String,
    /// What it holds at first.
    pub contents: DiskContents,
    /// `interface`: whether the guest has a virtio device in place of the disk's memory.
    pub is_virtio: bool,
}

/// What a disk holds at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskContents {
    /// `data`, `reg` or `image`: an image, then zeros up to a multiple of [`DISK_ALIGN`].
    Image {
        /// The image.
        source: ImageDescription,
        /// `read-only`: whether the guest cannot write it.
        is_read_only: bool,
    },
    /// `size`: this many zeros, a multiple of [`DISK_ALIGN`], not 0.
    Zeros(u64),
    /// `same-as`: another disk, as `PARTITION/DISK` or by its path, which dtc makes of a label.
    SameAs(String),
}

impl DiskDescription {
    /// Returns the image that is copied to it, if there is one.
    pub fn source(&self) -> Option<&ImageDescription> {
        match &self.contents {
            DiskContents::Image { source, .. } => Some(source),
            DiskContents::Zeros(_) | DiskContents::SameAs(_) => None,
        }
    }
}

/// Reads the node `disks` of a partition, if there is one.
#[inline(never)]
pub(super) fn disks<'a>(
    node: Option<Node<'a, 'a>>,
    images: &Images<'a>,
) -> Result<Vec<DiskDescription>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    node.check(&[], None)?;
    let mut disks: Vec<DiskDescription> = Vec::new();
    for node in node.children() {
        // The name is in the boot report, and in values of `same-as`.
        let (path, name) = (node.path(), node.plain_name()?);
        if disks.iter().any(|disk| disk.name == name) {
            refuse!(path, ": name = \"{name}\" is already given to another disk");
        }
        if disks.len() == MAX_DISKS {
            refuse!(path, " is one disk too many: a partition has at most {MAX_DISKS}");
        }
        let (contents, is_virtio) = (contents(node, images)?, is_virtio(node)?);
        disks.push(DiskDescription { path, name: String::from(name), contents, is_virtio });
    }
    Ok(disks)
}

/// Reads the node of a disk.
fn contents<'a>(node: Node<'a, 'a>, images: &Images<'a>) -> Result<DiskContents> {
    const CONTENTS: [&str; 5] = ["data", "reg", "image", "size", "same-as"];
    let [data, reg, image, size, same_as] = CONTENTS;
    node.check(&[data, reg, image, size, same_as, "read-only", "interface"], Some(&[]))?;
    let mut given = CONTENTS.into_iter().filter(|name| node.property(name).is_some());
    let is_read_only = node.flag("read-only")?;
    let (first, second) = (given.next(), given.next());
    if let (Some(first), Some(second)) = (first, second) {
        refuse!(node.path(), ": {first} and {second} are both present: give only one of them");
    }
    match first {
        Some("same-as") => {
            Ok(DiskContents::SameAs(String::from(node.text("same-as")?.unwrap_or_default())))
        }
        Some("size") => {
            let like = "the bytes in two cells, as in <0x0 0x8000000>";
            let number = |it: &Property<'a>| {
                it.number().filter(|_| it.value.len() == 8).map(|number| (number, it.value))
            };
            let (size, value) = node.read("size", like, number)?.unwrap_or_default();
            if size == 0 || !size.is_multiple_of(DISK_ALIGN) {
                let value = Cells(value);
                refuse!(node.path(), ": size = {value} is not a multiple of 2 MiB, 0x200000");
            }
            if is_read_only {
                let why = "is for a disk with data: this one would stay zeros";
                refuse!(node.path(), ": read-only {why}");
            }
            Ok(DiskContents::Zeros(size))
        }
        Some(_) => Ok(DiskContents::Image { source: images.find(node)?.0, is_read_only }),
        None => {
            let (data, size) = ("data = /incbin/(\"file\")", "size = <0x0 0x8000000> for zeros");
            refuse!(node.path(), ": data is missing: give {data}, or {size}, or same-as");
        }
    }
}

/// Reads `interface` of a disk: whether it is a virtio device.
fn is_virtio(node: Node<'_, '_>) -> Result<bool> {
    match node.text("interface")? {
        None | Some("pmem") => Ok(false),
        Some("virtio") => Ok(true),
        Some(text) => {
            let like = "neither \"pmem\", the default, nor \"virtio\"";
            refuse!(node.path(), ": interface = \"{text}\" is {like}")
        }
    }
}
