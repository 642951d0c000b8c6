//! Putting a partition's images and its device tree where it finds them.

use bulkhead::addr::{Ipa, Pa, Region};
use bulkhead::plan::PartitionPlan;

use super::{cache, mmu};

/// Copies the kernel, the ramdisk and the tree into the partition's memory. The sources stay as
/// they are.
pub fn load(plan: &PartitionPlan, tree: &[u8]) {
    mmu::map_memory(plan.memory.host);
    for image in plan.ramdisk.iter().chain([&plan.kernel]) {
        copy(plan, image.source, image.load.start());
    }
    write(plan, tree, plan.tree.start());
    cache::invalidate_instructions();
}

fn copy(plan: &PartitionPlan, source: Region<Pa>, target: Ipa) {
    mmu::map_memory(source);
    // SAFETY: the Plan found the image's bytes in this region, which is mapped and which nobody
    // writes to: no partition's memory overlaps it.
    let bytes = unsafe {
        core::slice::from_raw_parts(source.start().get() as *const u8, source.size() as usize)
    };
    write(plan, bytes, target);
}

/// Writes bytes to the partition's memory, through to where a guest reads them with its caches off.
fn write(plan: &PartitionPlan, bytes: &[u8], target: Ipa) {
    let offset = target.get() - plan.memory.guest.start().get();
    let start = Pa::new(plan.memory.host.start().get() + offset);
    let region = Region::new(start, bytes.len() as u64).expect("the Plan has placed it");
    assert!(plan.memory.host.covers(&region), "the Plan has placed it inside the partition");
    // SAFETY: the region lies in this partition's own memory, which is mapped, which no guest runs
    // in yet, and which holds nothing of Bulkhead's.
    let memory = unsafe { core::slice::from_raw_parts_mut(start.get() as *mut u8, bytes.len()) };
    memory.copy_from_slice(bytes);
    cache::clean(region);
}
