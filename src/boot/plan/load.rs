//! The guest addresses of a partition's kernel, ramdisk and device tree.
//!
//! An arm64 Image is loaded at the offset in its header, a flat binary at `load-offset`. The ramdisk
//! lies as high as it can, and the tree below it, unless `fdt-offset` places it elsewhere: a flat
//! binary does not tell how much memory it uses beyond its file, and would clear with its `.bss`
//! what lies right above it.

use core::fmt;

use super::layout;
use super::types::LoadedImage;
use crate::arch::addr::{Bytes, Ipa, PAGE_SIZE, Region};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::description::{Image, KernelDescription, PartitionDescription};

/// The largest size of a partition's tree in bytes, and its alignment. As a power of two it keeps
/// the tree from crossing a 2 MiB boundary: older Linux kernels map no more than 2 MiB of it.
const TREE_SIZE: u64 = 0x1_0000;
/// The bytes from the start of the kernel that have to contain the tree for Linux before 4.2
/// (Documentation/arch/arm64/booting.rst, 2).
const TREE_REACH: u64 = 512 << 20;
/// The size of the window that has to contain the kernel and the ramdisk, and the alignment of its
/// start, in bytes (booting.rst, 4).
const RAMDISK_WINDOW: u64 = 32 << 30;
/// See [`RAMDISK_WINDOW`].
const RAMDISK_WINDOW_ALIGN: u64 = 1 << 30;
/// The alignment in bytes of the address that an arm64 Image's `text_offset` counts from.
const IMAGE_ALIGN: u64 = 2 << 20;
/// The default `load-offset` of a flat binary, in bytes from the start of memory.
const LOAD_OFFSET: u64 = 0x8_0000;

/// Places the kernel, the ramdisk and the tree of `partition` in its `memory`. `id_aa64mmfr0` is
/// [`Machine::id_aa64mmfr0`](crate::boot::machine::Machine::id_aa64mmfr0).
///
/// # Errors
///
/// If one of them does not fit, if `fdt-offset` makes the tree overlap the kernel, or if the kernel
/// has pages of a size that the CPUs do not support.
pub(super) fn place(
    partition: &PartitionDescription,
    memory: Region<Ipa>,
    id_aa64mmfr0: u64,
) -> Result<(LoadedImage, Option<LoadedImage>, Region<Ipa>)> {
    let path = &partition.path;
    let kernel = place_kernel(&partition.kernel, memory, id_aa64mmfr0)?;
    let fixed_tree = match partition.tree_offset {
        None => None,
        Some(offset) => {
            let what = format_args!(": fdt-offset = <{offset:#x}>");
            let start = memory.start().get().checked_add(offset);
            let tree = within(memory, start, TREE_SIZE, path, what)?;
            let used = [(kernel.load, "its kernel")];
            Some(layout::check(&used, tree.start(), TREE_SIZE, path, what)?)
        }
    };
    let kernel_start = kernel.load.start().get();
    let mut used = [kernel.load, fixed_tree.unwrap_or(Region::EMPTY)];
    let mut ramdisk = None;
    if let Some(image) = &partition.ramdisk {
        let source = image.region;
        let window = kernel_start & !(RAMDISK_WINDOW_ALIGN - 1);
        let space = first(memory, window, RAMDISK_WINDOW);
        let Some(load) = highest(space, source.size(), PAGE_SIZE, &used) else {
            let (kernel, path) = (kernel.load, &image.path);
            refuse!(path, "{image} does not fit into {memory} beside the kernel at {kernel}");
        };
        ramdisk = Some(LoadedImage { source, load });
        used[1] = load;
    }
    let space = first(memory, kernel_start, TREE_REACH);
    let tree = fixed_tree.or_else(|| highest(space, TREE_SIZE, TREE_SIZE, &used));
    let Some(tree) = tree else {
        let (value, size) = (memory.size().to_be_bytes(), Bytes(TREE_SIZE));
        let why = "for the device tree beside the kernel and the ramdisk: give more memory";
        refuse!(path, ": memory = {} has no {size} {why}", Cells(&value));
    };
    Ok((kernel, ramdisk, tree))
}

/// Places a kernel, which needs at least the memory of its source.
fn place_kernel(
    kernel: &KernelDescription,
    memory: Region<Ipa>,
    id_aa64mmfr0: u64,
) -> Result<LoadedImage> {
    let base = memory.start().get();
    let image = &kernel.source;
    let (start, size) = match kernel.image {
        Image::Arm64 { granule: Some(granule), .. } if !granule.is_supported(id_aa64mmfr0) => {
            let way = "give one with pages of another size";
            refuse!(
                image.path,
                "{image} is an Image with pages of {granule}, which the CPUs of \
                this machine do not support: {way}"
            )
        }
        Image::Arm64 { text_offset, size, .. } => {
            let base = base.checked_next_multiple_of(IMAGE_ALIGN);
            (base.and_then(|base| base.checked_add(text_offset)), size)
        }
        Image::Flat => (base.checked_add(kernel.load_offset.unwrap_or(LOAD_OFFSET)), 0),
    };
    let source = image.region;
    let size = size.max(source.size());
    let load = within(memory, start, size, &image.path, format_args!("{image}"))?;
    Ok(LoadedImage { source, load })
}

/// Returns the part of `memory` before the first address that is `size` bytes past `start`.
fn first(memory: Region<Ipa>, start: u64, size: u64) -> Region<Ipa> {
    let end = memory.end().min(Ipa::new(start.saturating_add(size)));
    Region::between(memory.start(), end).unwrap_or(Region::EMPTY)
}

/// Returns the highest `size` bytes in `space` that start at a multiple of `alignment`, a power of
/// two, and overlap none of `used`; `None` if there are none.
fn highest(
    space: Region<Ipa>,
    size: u64,
    alignment: u64,
    used: &[Region<Ipa>],
) -> Option<Region<Ipa>> {
    let mut end = space.end();
    loop {
        let start = end.get().checked_sub(size)? & !(alignment - 1);
        let found = Region::new(Ipa::new(start), size).filter(|found| space.covers(found))?;
        match used.iter().find(|used| used.overlaps(&found)) {
            Some(used) => end = used.start(),
            None => return Some(found),
        }
    }
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
