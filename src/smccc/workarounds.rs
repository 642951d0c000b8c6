//! The service that passes mitigations of speculative execution on to firmware.

use super::codes::NOT_SUPPORTED;
use super::firmware::Workarounds;
use super::service::{Outcome, Request, Service};

/// SMCCC_ARCH_WORKAROUND_1 to 3 (Arm DEN0028, section 7), as far as this CPU's firmware offers
/// them.
pub struct FirmwareWorkarounds<'a>(pub &'a Workarounds);

impl Service for FirmwareWorkarounds<'_> {
    fn owns(&self, function: u32) -> bool {
        self.0.find(function).is_some()
    }

    fn handle(&self, request: Request) -> Outcome {
        let workaround = self.0.find(request.function);
        workaround.map_or(Outcome::Return(NOT_SUPPORTED), Outcome::Firmware)
    }
}
