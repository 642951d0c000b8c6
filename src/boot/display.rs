//! How the report and refusals print regions, sizes, interrupts and affinities. Only boot prints
//! them.

use core::fmt;

use crate::arch::addr::{Address, Bytes, Region};
use crate::arch::intid::Intid;
use crate::arch::mpidr::Mpidr;

impl<A: Address> fmt::Display for Region<A> {
    /// Writes the first and the last address, as memory maps do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = A::new(self.end().get().saturating_sub(1));
        write!(f, "{}-{}", self.start(), last)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (unit, name) in UNITS {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{} {name}", self.0 / unit);
            }
        }
        write!(f, "{} B", self.0)
    }
}

impl fmt::Display for Intid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        u64::from(self.get()).fmt(f)
    }
}

impl fmt::Display for Mpidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.get())
    }
}
