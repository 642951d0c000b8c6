//! The guest addresses of a partition's kernel, ramdisk and device tree.
//!
//! An arm64 Image is loaded at the offset in its header, a flat binary at `load-offset`. The
//! ramdisk follows the kernel. The tree follows the ramdisk, unless `fdt-offset` places it
//! elsewhere.

use core::fmt;

use super::layout;
use super::types::LoadedImage;
use crate::arch::addr::{Ipa, PAGE_SIZE, Region};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::description::{Image, ImageDescription, PartitionDescription};

/// The largest size of a partition's tree in bytes, and its alignment. As a power of two it keeps
/// the tree from crossing a 2 MiB boundary: older Linux kernels map no more than 2 MiB of it.
const TREE_SIZE: u64 = 0x1_0000;
/// The alignment in bytes of the address that an arm64 Image's `text_offset` counts from.
const IMAGE_ALIGN: u64 = 2 << 20;
/// The default `load-offset` of a flat binary, in bytes from the start of memory.
const LOAD_OFFSET: u64 = 0x8_0000;

/// Places the kernel, the ramdisk and the tree of `partition` in its `memory`. `id_aa64mmfr0` is
/// [`Machine::id_aa64mmfr0`](crate::boot::machine::Machine::id_aa64mmfr0).
///
/// # Errors
///
/// If one of them does not fit, if `fdt-offset` makes the tree overlap another, or if the kernel
/// has pages of a size that the CPUs do not support.
pub(super) fn place(
    partition: &PartitionDescription,
    memory: Region<Ipa>,
    id_aa64mmfr0: u64,
) -> Result<(LoadedImage, Option<LoadedImage>, Region<Ipa>)> {
    let kernel = &partition.kernel;
    let base = memory.start().get();
    let (start, size) = match kernel.image {
        Image::Arm64 { granule: Some(granule), .. } if !granule.is_supported(id_aa64mmfr0) => {
            let source = &kernel.source;
            let way = "give one with pages of another size";
            refuse!(
                source.path,
                "{source} is an Image with pages of {granule}, which the CPUs of \
                this machine do not support: {way}"
            )
        }
        Image::Arm64 { text_offset, size, .. } => {
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

/// Places an image at `start`. It needs `size` bytes of memory, but at least its own size.
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

/// Returns the `size` bytes from `start`, which must lie in `memory`; `None` is past 64 bits.
///
/// # Errors
///
/// A sentence that begins with the path `node` and with `what`, its property and the value.
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
            refuse!(node, "{what} needs {needs}, but the partition's memory is {memory}")
        }
        None => refuse!(node, "{what} needs more than the partition's memory, {memory}"),
    }
}
