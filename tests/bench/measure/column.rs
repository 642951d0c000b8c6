//! The machines that are compared.

use crate::support::Gic;

/// A machine with or without Bulkhead, and the way in which interrupts come to the guest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// No Bulkhead, GICv2.
    BareV2,
    /// No Bulkhead, GICv3.
    BareV3,
    /// GICv2.
    V2,
    /// GICv3, interrupts by way of EL2.
    Trapped,
    /// GICv3, interrupts that go to the guest at once.
    Direct,
}

impl Column {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::BareV2, Self::BareV3, Self::V2, Self::Trapped, Self::Direct].into_iter()
    }

    /// Those with Bulkhead.
    pub fn partitions() -> impl Iterator<Item = Self> {
        Self::all().filter(|column| column.bare().is_some())
    }

    /// Its name in files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::BareV2 => "bare-gicv2",
            Self::BareV3 => "bare-gicv3",
            Self::V2 => "gicv2",
            Self::Trapped => "gicv3-trapped",
            Self::Direct => "gicv3-direct",
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareV2 => "GICv2 bare",
            Self::BareV3 => "GICv3 bare",
            Self::V2 => "GICv2",
            Self::Trapped => "GICv3 trapped",
            Self::Direct => "GICv3 direct",
        }
    }

    /// The same for the head of a narrow column.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::BareV2 => "GICv2 bare",
            Self::BareV3 => "GICv3 bare",
            Self::V2 => "GICv2",
            Self::Trapped => "v3 trapped",
            Self::Direct => "v3 direct",
        }
    }

    /// The machine without Bulkhead that it is held against.
    pub const fn bare(self) -> Option<Self> {
        match self {
            Self::BareV2 | Self::BareV3 => None,
            Self::V2 => Some(Self::BareV2),
            Self::Trapped | Self::Direct => Some(Self::BareV3),
        }
    }

    /// Its interrupt controller.
    pub const fn gic(self) -> Gic {
        match self {
            Self::BareV2 | Self::V2 => Gic::V2,
            Self::Trapped => Gic::V3Trapped,
            Self::BareV3 | Self::Direct => Gic::V3,
        }
    }
}
