//! Memory of the attacker: for each CPU a page of data and a page of code that is generated at run
//! time.

use core::arch::asm;
use core::cell::UnsafeCell;

use runtime::cpu::{self, MAX_CPUS};
use runtime::read_register;

/// The number of instructions in a page of code.
const WORDS: usize = 1024;

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u32; WORDS]>);

// SAFETY: a CPU uses only its own element.
unsafe impl Sync for Page {}

static DATA: [Page; MAX_CPUS] = [const { Page(UnsafeCell::new([0; WORDS])) }; MAX_CPUS];
static CODE: [Page; MAX_CPUS] = [const { Page(UnsafeCell::new([0; WORDS])) }; MAX_CPUS];

/// Returns the address of this CPU's page of data, whose content does not matter.
pub fn address() -> u64 {
    DATA[cpu::index()].0.get() as u64
}

/// Code that is generated in this CPU's page.
pub struct Code {
    used: usize,
}

impl Code {
    /// Starts with an empty page.
    pub const fn new() -> Self {
        Self { used: 0 }
    }

    /// Returns the address of the page.
    pub fn start(&self) -> u64 {
        CODE[cpu::index()].0.get() as u64
    }

    /// Returns the number of instructions for which there is room.
    pub const fn room(&self) -> usize {
        WORDS - self.used
    }

    /// Adds instructions, and returns their address.
    ///
    /// # Panics
    ///
    /// If there is no room for them.
    pub fn add(&mut self, instructions: &[u32]) -> u64 {
        let place = &CODE[cpu::index()].0;
        // SAFETY: the page is this CPU's, which is not executing it, and no other reference to it
        // exists.
        let words = unsafe { &mut *place.get() };
        words[self.used..][..instructions.len()].copy_from_slice(instructions);
        let start = place.get() as u64 + self.used as u64 * 4;
        self.used += instructions.len();
        start
    }

    /// Makes the added instructions visible to instruction fetches.
    pub fn finish(&self) {
        let line = 4_u64 << (read_register!("ctr_el0") & 0xf);
        let start = self.start();
        for address in (start..start + self.used as u64 * 4).step_by(line as usize) {
            // SAFETY: cache maintenance of the page.
            unsafe {
                asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", in(reg) address, options(nostack));
            }
        }
        // SAFETY: only barriers.
        unsafe { asm!("dsb ish", "isb", options(nostack)) };
    }
}
