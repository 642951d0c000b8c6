//! Memory of the attacker's own: for each CPU a page to aim at, a page of code that it makes, and tables.

use core::arch::asm;
use core::cell::UnsafeCell;

use runtime::cpu::{self, MAX_CPUS};
use runtime::read_register;

/// How many instructions a page of code holds.
const WORDS: usize = 1024;

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u32; WORDS]>);

// SAFETY: a CPU uses its own element only.
unsafe impl Sync for Page {}

static DATA: [Page; MAX_CPUS] = [const { Page(UnsafeCell::new([0; WORDS])) }; MAX_CPUS];
static CODE: [Page; MAX_CPUS] = [const { Page(UnsafeCell::new([0; WORDS])) }; MAX_CPUS];

/// The address of a page of this CPU's that may hold anything.
pub fn address() -> u64 {
    DATA[cpu::index()].0.get() as u64
}

/// Code that is made at run time, in this CPU's page.
pub struct Code {
    used: usize,
}

impl Code {
    /// An empty page; what was made before is gone.
    pub const fn new() -> Self {
        Self { used: 0 }
    }

    /// The address of the page.
    pub fn start(&self) -> u64 {
        CODE[cpu::index()].0.get() as u64
    }

    /// How many more instructions there is room for.
    pub const fn room(&self) -> usize {
        WORDS - self.used
    }

    /// Adds instructions, and returns where they begin.
    ///
    /// # Panics
    ///
    /// If there is no room for them.
    pub fn add(&mut self, instructions: &[u32]) -> u64 {
        let place = &CODE[cpu::index()].0;
        // SAFETY: the page is this CPU's, which does not execute it now, and no reference to it lives on.
        let words = unsafe { &mut *place.get() };
        words[self.used..][..instructions.len()].copy_from_slice(instructions);
        let start = place.get() as u64 + self.used as u64 * 4;
        self.used += instructions.len();
        start
    }

    /// Lets the CPU fetch what was added.
    pub fn finish(&self) {
        let line = 4_u64 << (read_register!("ctr_el0") & 0xf);
        let start = self.start();
        for address in (start..start + self.used as u64 * 4).step_by(line as usize) {
            // SAFETY: cache maintenance of the page.
            unsafe {
                asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", in(reg) address, options(nostack));
            }
        }
        // SAFETY: barriers only.
        unsafe { asm!("dsb ish", "isb", options(nostack)) };
    }
}
