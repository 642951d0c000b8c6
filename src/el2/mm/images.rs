//! The memory of the images that partitions are built from, which the loader has put there. EL2
//! reads it only through a window.

use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::mm::window::{MemoryTables, Slot};

use super::window::Window;

/// The images that are alone in memory.
pub struct Images {
    /// Whole pages.
    regions: Vec<Region<Pa>>,
    /// The tables for a window onto all of them.
    tables: MemoryTables,
}

impl Images {
    /// Returns the images in `regions`, whole pages, to which a window with these tables leads.
    pub const fn new(regions: Vec<Region<Pa>>, tables: MemoryTables) -> Self {
        Self { regions, tables }
    }

    /// Returns the memory.
    pub fn regions(&self) -> &[Region<Pa>] {
        &self.regions
    }

    /// Returns whether a source is one of these images. All others, in Bulkhead's own image and in
    /// the machine's tree, stay mapped at their own addresses.
    pub fn have(&self, source: &Region<Pa>) -> bool {
        self.regions.iter().any(|region| region.covers(source))
    }

    /// Calls `read` with the address of the first byte of a source, which is mapped meanwhile.
    pub fn with(&self, source: &Region<Pa>, read: impl FnOnce(*const u8)) {
        let window = self.have(source).then(|| Window::open(Slot::Images, self.tables));
        let start = match &window {
            Some(window) => window.place(*source).start().get(),
            None => source.start().get(),
        };
        read(start as *const u8);
    }
}
