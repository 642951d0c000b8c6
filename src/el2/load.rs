//! Putting a partition's images and its device tree where it finds them, at boot.

use bulkhead::plan::PartitionPlan;

use super::{cache, fill, mmu};

/// Maps the partition's memory and the sources of its images, for good, and copies the images and
/// the tree.
pub fn load(plan: &PartitionPlan, tree: &[u8]) {
    mmu::map_memory(plan.memory.host);
    for image in plan.ramdisk.iter().chain([&plan.kernel]) {
        mmu::map_memory(image.source);
    }
    for content in fill::contents(plan, tree).into_iter().flatten() {
        fill::copy(plan, content, 0, content.0.size());
    }
    cache::invalidate_instructions();
}
