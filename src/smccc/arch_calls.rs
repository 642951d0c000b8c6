//! The service of the convention itself: Arm Architecture Calls (Arm DEN0028, section 7).

use super::codes::{SMCCC_VERSION, SUCCESS};
use super::firmware::Workarounds;
use super::service::{Outcome, Request, Service};

const ARCH_FEATURES: u32 = 0x8000_0001;
/// Major version in bits 30:16, minor version in bits 15:0.
const VERSION_1_2: i64 = 1 << 16 | 2;

/// SMCCC_VERSION and SMCCC_ARCH_FEATURES on a CPU whose firmware offers these workarounds.
pub struct ArchCalls<'a>(pub &'a Workarounds);

impl Service for ArchCalls<'_> {
    fn owns(&self, function: u32) -> bool {
        matches!(function, SMCCC_VERSION | ARCH_FEATURES)
    }

    fn handle(&self, request: Request) -> Outcome {
        Outcome::Return(match (request.function, request.argument as u32) {
            (SMCCC_VERSION, _) => VERSION_1_2,
            (_, SMCCC_VERSION | ARCH_FEATURES) => SUCCESS,
            (_, function) => self.0.features(function),
        })
    }
}
