//! Putting a partition's images and its device tree where it finds them, at boot.

use bulkhead::plan::PartitionPlan;

use super::{cache, fill, mmu, window};

/// Maps the partition's memory and the sources of its images, copies the images and the tree, and
/// closes the memory to EL2.
pub fn load(plan: &PartitionPlan, tree: &[u8]) {
    mmu::map_memory(plan.memory.host);
    for image in plan.ramdisk.iter().chain([&plan.kernel]) {
        mmu::map_memory(image.source);
    }
    for content in fill::contents(plan, tree).into_iter().flatten() {
        fill::copy(plan, content, 0, content.0.size());
    }
    cache::invalidate_instructions();
    window::close(plan.memory.host);
}
