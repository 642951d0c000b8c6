//! Where a partition's kernel, ramdisk and device tree go in its memory.
//!
//! The kernel goes where its header wants it, or at `load-offset`. The ramdisk follows it, and above
//! that lies the tree, or at `fdt-offset`.

use core::fmt;

use super::layout;
use super::types::LoadedImage;
use crate::arch::addr::{Ipa, PAGE_SIZE, Region};
use crate::boot::description::Image;
use crate::boot::description::ImageDescription;
use crate::boot::description::PartitionDescription;
use crate::boot::description::{Cells, Result, refuse};

/// The most that a partition's tree may have, in bytes. A tree at a multiple of this, a power of
/// two, crosses no 2 MiB boundary: older Linux kernels map no more.
const TREE_SIZE: u64 = 0x1_0000;
/// The boundary above which an arm64 Image has its `text_offset`.
const IMAGE_ALIGN: u64 = 2 << 20;
/// Where a flat binary goes that says nothing, from the start of memory.
const LOAD_OFFSET: u64 = 0x8_0000;

/// Places the kernel, the ramdisk and the tree of `partition` in its `memory`.
pub(super) fn place(
    partition: &PartitionDescription,
    memory: Region<Ipa>,
) -> Result<(LoadedImage, Option<LoadedImage>, Region<Ipa>)> {
    let kernel = &partition.kernel;
    let base = memory.start().get();
    let (start, size) = match kernel.image {
        Image::Arm64 { text_offset, size } => {
            let base = base.checked_next_multiple_of(IMAGE_ALIGN);
            (base.and_then(|base| base.checked_add(text_offset)), size)
        }
        Image::Flat => (base.checked_add(kernel.load_offset.unwrap_or(LOAD_OFFSET)), 0),
    };
    let kernel = place_image(&kernel.source, memory, start, size)?;
    let mut last = kernel.load;
    let mut ramdisk = None;
    if let Some(image) = &partition.ramdisk {
        let start = last.end().get().checked_next_multiple_of(PAGE_SIZE);
        let image = place_image(image, memory, start, 0)?;
        last = image.load;
        ramdisk = Some(image);
    }
    let path = &partition.path;
    let tree = match partition.tree_offset {
        None => {
            let start = last.end().get().checked_next_multiple_of(TREE_SIZE);
            let value = memory.size().to_be_bytes();
            within(memory, start, TREE_SIZE, path, format_args!(": memory = {}", Cells(&value)))?
        }
        Some(offset) => {
            let what = format_args!(": fdt-offset = <{offset:#x}>");
            let tree = within(memory, base.checked_add(offset), TREE_SIZE, path, what)?;
            let used = [(kernel.load, "its kernel"), (last, "its ramdisk")];
            layout::check(&used, tree.start(), TREE_SIZE, path, what)?
        }
    };
    Ok((kernel, ramdisk, tree))
}

/// Places an image that needs `size` bytes, or as many as it has if these are more.
fn place_image(
    image: &ImageDescription,
    memory: Region<Ipa>,
    start: Option<u64>,
    size: u64,
) -> Result<LoadedImage> {
    let source = image.region;
    let size = size.max(source.size());
    let load = within(memory, start, size, &image.path, format_args!("{image}"))?;
    Ok(LoadedImage { source, load })
}

/// The `size` bytes from `start`, if `memory` has them. If not, the error begins with the path
/// `node` and with `what`, its property and the value.
fn within(
    memory: Region<Ipa>,
    start: Option<u64>,
    size: u64,
    node: &str,
    what: fmt::Arguments<'_>,
) -> Result<Region<Ipa>> {
    match start.and_then(|start| Region::new(Ipa::new(start), size)) {
        Some(needs) if memory.covers(&needs) => Ok(needs),
        Some(needs) => {
            refuse!(node, "{what} needs {needs}, and the partition's memory is {memory}")
        }
        None => refuse!(node, "{what} needs more than the partition's memory, {memory}"),
    }
}
