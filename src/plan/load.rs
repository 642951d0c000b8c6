//! Where a partition's kernel, ramdisk and device tree go in its memory.
//!
//! The kernel goes where its header wants it, or at `load-offset`. The ramdisk follows it, and above
//! that lies the tree, or at `fdt-offset`.

use alloc::string::String;

use super::description::PartitionDescription;
use super::error::{PlanError, Problem, Value};
use super::image::Image;
use super::source::ImageDescription;
use super::{Kernel, Ramdisk};
use crate::addr::{Ipa, PAGE_SIZE, Region};

/// The most that a partition's tree may have, in bytes. A tree at a multiple of this, a power of
/// two, crosses no 2 MiB boundary: older Linux kernels map no more.
const TREE_SIZE: u64 = 0x1_0000;
/// The boundary above which an arm64 Image has its `text_offset`.
const IMAGE_ALIGN: u64 = 2 << 20;
/// Where a flat binary goes that says nothing, from the start of memory.
const LOAD_OFFSET: u64 = 0x8_0000;

/// What goes where.
pub(super) struct Loaded {
    pub kernel: Kernel,
    pub ramdisk: Option<Ramdisk>,
    pub tree: Region<Ipa>,
}

/// Places the images and the tree of `partition` in its `memory`.
pub(super) fn place(
    partition: &PartitionDescription,
    memory: Region<Ipa>,
) -> Result<Loaded, PlanError> {
    let described = &partition.kernel;
    let (start, size) = match described.image {
        Image::Arm64 { text_offset, size } => {
            let base = memory.start().get().checked_next_multiple_of(IMAGE_ALIGN);
            (base.and_then(|base| base.checked_add(text_offset)), size)
        }
        Image::Flat => {
            let offset = described.load_offset.unwrap_or(LOAD_OFFSET);
            (memory.start().get().checked_add(offset), 0)
        }
    };
    let size = size.max(described.source.region.size());
    let kernel = within(memory, start, size).map_err(|problem| described.source.error(problem))?;
    let ramdisk = partition.ramdisk.as_ref();
    let ramdisk = ramdisk.map(|image| place_ramdisk(image, memory, kernel)).transpose()?;
    Ok(Loaded {
        kernel: Kernel {
            source: described.source.region,
            load: kernel.start(),
            entry: kernel.start(),
            size,
        },
        ramdisk,
        tree: place_tree(partition, memory, kernel, ramdisk)?,
    })
}

fn place_ramdisk(
    image: &ImageDescription,
    memory: Region<Ipa>,
    kernel: Region<Ipa>,
) -> Result<Ramdisk, PlanError> {
    let start = kernel.end().get().checked_next_multiple_of(PAGE_SIZE);
    let load = within(memory, start, image.region.size());
    let load = load.map_err(|problem| image.error(problem))?;
    Ok(Ramdisk { source: image.region, load })
}

fn place_tree(
    partition: &PartitionDescription,
    memory: Region<Ipa>,
    kernel: Region<Ipa>,
    ramdisk: Option<Ramdisk>,
) -> Result<Region<Ipa>, PlanError> {
    let ramdisk = ramdisk.map(|ramdisk| ramdisk.load);
    let Some(offset) = partition.tree_offset else {
        let images_end = ramdisk.unwrap_or(kernel).end().get();
        let start = images_end.checked_next_multiple_of(TREE_SIZE);
        return within(memory, start, TREE_SIZE)
            .map_err(|problem| partition.error("memory", Value::Cells(memory.size()), problem));
    };
    let refuse = |problem| partition.error("fdt-offset", Value::Cell(offset), problem);
    let start = memory.start().get().checked_add(offset);
    let tree = within(memory, start, TREE_SIZE).map_err(refuse)?;
    for (image, name) in [(Some(kernel), "its kernel"), (ramdisk, "its ramdisk")] {
        if let Some(region) = image.filter(|image| image.overlaps(&tree)) {
            let with = String::from(name);
            return Err(refuse(Problem::Collides { region, with }));
        }
    }
    Ok(tree)
}

/// The `size` bytes from `start`, if `memory` has them.
fn within(memory: Region<Ipa>, start: Option<u64>, size: u64) -> Result<Region<Ipa>, Problem> {
    let needs = start.and_then(|start| Region::new(Ipa::new(start), size));
    needs.filter(|needs| memory.covers(needs)).ok_or(Problem::TooLarge { needs, memory })
}
