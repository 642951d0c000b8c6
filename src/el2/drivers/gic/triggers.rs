//! GICD_ICFGR of SPIs: the only registers of the distributor that have fields of several
//! partitions' interrupts and neither a form that sets or clears bits nor one of a byte for each
//! interrupt.

use bulkhead::arch::intid::Intid;
use bulkhead::util::shared_register::SharedRegister;

use super::ICFGR;
use crate::el2::drivers::mmio::Registers;

/// The number of registers: two for each of the 31 words of SPIs.
const COUNT: usize = 62;

/// What GICD_ICFGR<n> are to contain, from n = 2 on.
pub struct Triggers([SharedRegister; COUNT]);

impl Triggers {
    /// Returns the state of registers that have not been reset.
    pub const fn new() -> Self {
        Self([const { SharedRegister::new() }; COUNT])
    }

    /// Makes the interrupts of a word of SPIs level-sensitive, and finds those whose trigger can be
    /// changed. They must be disabled, and no partition may run.
    #[inline(always)]
    pub fn reset(&self, distributor: &Registers, word: u64) {
        for index in [word * 2, word * 2 + 1] {
            let offset = ICFGR + index * 4;
            distributor.write(offset, u32::MAX);
            let edge = distributor.read(offset);
            distributor.write(offset, 0);
            let level = distributor.read(offset);
            if let Some(shared) = self.of(index as usize) {
                shared.init(level, edge & !level);
            }
        }
    }

    /// Sets the trigger of one of Bulkhead's own SPIs, as boot does, which must be disabled.
    #[inline(always)]
    pub fn set(&self, distributor: &Registers, intid: Intid, is_edge: bool) {
        let (index, bit) = (intid.get() / 16, intid.get() % 16 * 2 + 1);
        let register = distributor.register(ICFGR + u64::from(index) * 4);
        if let Some(shared) = self.of(index as usize) {
            let value = u32::from(is_edge) << bit;
            shared.update(1 << bit, value, |value| register.write(value), || ());
        }
    }

    /// Returns the state of GICD_ICFGR<`index`>; `None` for private interrupts, whose registers
    /// each CPU has for itself.
    pub fn of(&self, index: usize) -> Option<&SharedRegister> {
        self.0.get(index.wrapping_sub(2))
    }
}
