//! The CPU interface's common registers, which apply to both groups. With
//! [`Delivery::Direct`](super::Delivery::Direct) they trap (ICH_HCR_EL2.TC), since the physical
//! registers also apply to EL2's interrupts.

/// A common register of the GICv3 CPU interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuInterfaceRegister {
    /// ICC_PMR_EL1.
    PriorityMask,
    /// ICC_CTLR_EL1. The guest can write EOImode. CBPR stays zero: it would apply EL2's
    /// ICC_BPR0_EL1 to the guest's interrupts.
    Control,
    /// ICC_RPR_EL1, which is read-only.
    RunningPriority,
    /// ICC_DIR_EL1, which is write-only.
    Deactivate,
}

/// The priorities of a physical GIC in which the highest, zero, is reserved for EL2. A guest's
/// priority zero maps to the next lower one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Priorities {
    /// The highest priority below zero: the distance between implemented priorities.
    step: u8,
}

impl Priorities {
    /// Returns the priorities of a CPU interface with this number of priority bits
    /// (ICC_CTLR_EL1.PRIbits + 1), 4 to 8.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self { step: if bits >= 8 { 1 } else { 1 << (8 - bits) } }
    }

    /// Converts a guest's interrupt priority or priority mask to the physical GIC's. An interrupt
    /// of physical priority zero is higher than every converted mask.
    #[must_use]
    pub const fn of_guest(self, priority: u8) -> u8 {
        if priority < self.step { self.step } else { priority & self.implemented() }
    }

    /// Returns the implemented bits of a priority.
    #[must_use]
    pub const fn implemented(self) -> u8 {
        0_u8.wrapping_sub(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_cannot_set_the_highest_priority() {
        for bits in 4..=8 {
            let priorities = Priorities::new(bits);
            for priority in 0..=255 {
                let physical = priorities.of_guest(priority);
                assert_ne!(physical, 0, "{bits} bits, {priority:#x}");
                let kept = priority & priorities.implemented();
                assert!(physical == kept || kept == 0, "{bits} bits, {priority:#x}");
            }
        }
    }

    #[test]
    fn conversion_keeps_the_order_of_priorities() {
        for bits in 4..=8 {
            let physical = |priority| Priorities::new(bits).of_guest(priority);
            assert!((0..255).all(|it| physical(it) <= physical(it + 1)), "{bits} bits");
        }
    }
}
