//! The CPU interface's common registers, which act on both groups. With
//! [`Delivery::Direct`](super::Delivery::Direct) they trap (ICH_HCR_EL2.TC), for the physical ones
//! steer EL2's interrupts too.

/// A common register of GICv3's CPU interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuInterfaceRegister {
    /// ICC_PMR_EL1.
    PriorityMask,
    /// ICC_CTLR_EL1, of which the guest has EOImode. CBPR would let EL2's ICC_BPR0_EL1 decide on the
    /// guest's interrupts, and stays zero.
    Control,
    /// ICC_RPR_EL1, which is read-only.
    RunningPriority,
    /// ICC_DIR_EL1, which is write-only.
    Deactivate,
}

/// The priorities of a physical GIC whose most urgent one, zero, is EL2's own. For a guest that one
/// and the next are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Priorities {
    /// The next.
    step: u8,
}

impl Priorities {
    /// Those of a CPU interface with so many bits of priority (ICC_CTLR_EL1.PRIbits + 1): 4 to 8.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self { step: if bits >= 8 { 1 } else { 1 << (8 - bits) } }
    }

    /// What a guest's interrupt priority, or its priority mask, is in the physical GIC. An interrupt
    /// of priority zero passes every mask of this kind.
    #[must_use]
    pub const fn of_guest(self, priority: u8) -> u8 {
        if priority < self.step { self.step } else { priority & self.implemented() }
    }

    /// The bits of a priority that there are.
    #[must_use]
    pub const fn implemented(self) -> u8 {
        0_u8.wrapping_sub(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guest_has_the_most_urgent_priority() {
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
    fn priorities_keep_their_order() {
        for bits in 4..=8 {
            let physical = |priority| Priorities::new(bits).of_guest(priority);
            assert!((0..255).all(|it| physical(it) <= physical(it + 1)), "{bits} bits");
        }
    }
}
