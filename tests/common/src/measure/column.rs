//! The machines that the benchmark compares.

use crate::Gic;

/// A machine with or without Bulkhead, and how interrupts reach the guest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// No Bulkhead, GICv2.
    BareV2,
    /// No Bulkhead, GICv3.
    BareV3,
    /// Bulkhead, GICv2.
    V2,
    /// Bulkhead, GICv3 with trapped interrupts.
    Trapped,
    /// Bulkhead, GICv3 with interrupts delivered directly.
    Direct,
}

impl Column {
    /// Returns all columns.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::BareV2, Self::BareV3, Self::V2, Self::Trapped, Self::Direct].into_iter()
    }

    /// Returns the columns with Bulkhead.
    pub fn partitions() -> impl Iterator<Item = Self> {
        Self::all().filter(|column| column.bare().is_some())
    }

    /// Returns its name in files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::BareV2 => "bare-gicv2",
            Self::BareV3 => "bare-gicv3",
            Self::V2 => "gicv2",
            Self::Trapped => "gicv3-trapped",
            Self::Direct => "gicv3-direct",
        }
    }

    /// Returns its name for readers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareV2 => "GICv2 bare",
            Self::BareV3 => "GICv3 bare",
            Self::V2 => "GICv2",
            Self::Trapped => "GICv3 trapped",
            Self::Direct => "GICv3 direct",
        }
    }

    /// Returns its name for the head of a narrow column.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::BareV2 => "GICv2 bare",
            Self::BareV3 => "GICv3 bare",
            Self::V2 => "GICv2",
            Self::Trapped => "v3 trapped",
            Self::Direct => "v3 direct",
        }
    }

    /// Returns the machine without Bulkhead that it is compared with.
    pub const fn bare(self) -> Option<Self> {
        match self {
            Self::BareV2 | Self::BareV3 => None,
            Self::V2 => Some(Self::BareV2),
            Self::Trapped | Self::Direct => Some(Self::BareV3),
        }
    }

    /// Returns its interrupt controller.
    pub const fn gic(self) -> Gic {
        match self {
            Self::BareV2 | Self::V2 => Gic::V2,
            Self::Trapped => Gic::V3Trapped,
            Self::Direct => Gic::V3Direct,
            Self::BareV3 => Gic::V3,
        }
    }
}
