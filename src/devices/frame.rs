//! The frames of registers that Bulkhead emulates.

use crate::arch::addr::{Ipa, Region};

/// Registers that Bulkhead emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where the guest sees them.
    pub region: Region<Ipa>,
    /// Which they are.
    pub kind: FrameKind,
}

/// The frames that are emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The interrupt controller's distributor.
    Distributor,
    /// The second page of the GICv2 CPU interface, with GICC_DIR.
    CpuInterface,
    /// The GICv3 redistributors of all vCPUs.
    Redistributors,
    /// The PL011.
    Console,
    /// The PL011 with the monitor.
    Monitor,
    /// The watchdog's control frame.
    WatchdogControl,
    /// The watchdog's refresh frame.
    WatchdogRefresh,
}

impl FrameKind {
    /// What a guest has there, as a refusal calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Distributor => "its distributor",
            Self::CpuInterface => "its CPU interface",
            Self::Redistributors => "its redistributors",
            Self::Console => "its PL011",
            Self::Monitor => "its monitor's PL011",
            Self::WatchdogControl | Self::WatchdogRefresh => "its watchdog",
        }
    }
}

/// The most emulated frames that a partition can have.
pub const MOST_FRAMES: usize = 7;

impl Frame {
    /// `frames` in an array, with frames of no bytes behind them: what each trap searches has a place
    /// and a length that never change.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST_FRAMES`].
    #[must_use]
    pub fn array(frames: &[Self]) -> [Self; MOST_FRAMES] {
        let nothing = Self { kind: FrameKind::Distributor, region: Region::EMPTY };
        let mut array = [nothing; MOST_FRAMES];
        array[..frames.len()].copy_from_slice(frames);
        array
    }
}
