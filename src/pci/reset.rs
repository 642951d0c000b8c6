//! Resets a function, without waiting: whoever calls it has other work meanwhile.
//!
//! The order is that of PCIe 6.6.2: the function starts no transaction any more ([`silence`]); it
//! has got its completions, or has had 100 ms for them; the reset is initiated; 100 ms later the
//! function answers, or 1 s later it counts as broken. A reset of the bus behind a bridge is held
//! for 2 ms and ends everything at once (PCIe 6.6.1).
//!
//! [`silence`]: super::Function::silence

use super::registers::{
    ADVANCED_CONTROL, ADVANCED_INITIATE_FLR, ADVANCED_PENDING, BRIDGE_CONTROL, BRIDGE_RESET,
    DEVICE_CONTROL, DEVICE_INITIATE_FLR, DEVICE_PENDING, ID,
};
use super::{Address, ConfigurationSpace};

/// How long a function may wait for its completions, and how long a reset takes at most, in
/// milliseconds (PCIe 6.6.2).
const STEP_MS: u64 = 100;
/// How long the reset of a bus is held, in milliseconds: more than the 1 ms that it must be.
const HELD_MS: u64 = 2;
/// The time after which a function that does not answer is broken, in milliseconds (PCIe 6.6.1).
const BROKEN_MS: u64 = 1000;

/// How a function is reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetMethod {
    /// By Function Level Reset; the PCI Express capability is at this offset.
    Express(u16),
    /// By Function Level Reset; Advanced Features is at this offset.
    Advanced(u16),
    /// By a reset of the bus behind this bridge, behind which nothing is but functions of the same
    /// partition.
    Bus(Address),
    /// Not at all.
    None,
}

/// How far a reset is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It goes on.
    Pending,
    /// The function is as after power-on.
    Done,
    /// The function cannot be reset, or does not answer.
    Failed,
}

/// A reset of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reset {
    address: Address,
    method: ResetMethod,
    stage: Stage,
}

/// What a reset waits for, and the time from which on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing: it has not begun.
    Idle,
    /// The completions of the function's own requests.
    Completions(u64),
    /// The release of the bus.
    Held(u64),
    /// The end of the reset.
    Recovery(u64),
    /// Nothing more.
    Over(Progress),
}

impl Reset {
    /// Returns a reset of a function that has not begun.
    pub const fn new(address: Address, method: ResetMethod) -> Self {
        Self { address, method, stage: Stage::Idle }
    }

    /// Begins again.
    pub fn restart(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Goes on as far as possible at the time `now`, in ticks, of which a millisecond has
    /// `millisecond`. The function must be silent.
    pub fn step(
        &mut self,
        now: u64,
        millisecond: u64,
        hardware: &dyn ConfigurationSpace,
    ) -> Progress {
        let has_passed = |since: u64, milliseconds| {
            now.wrapping_sub(since) >= millisecond.wrapping_mul(milliseconds)
        };
        let (target, control, initiate, pending) = match self.method {
            ResetMethod::Express(at) => {
                let control = at.wrapping_add(DEVICE_CONTROL);
                (self.address, control, DEVICE_INITIATE_FLR, DEVICE_PENDING)
            }
            ResetMethod::Advanced(at) => {
                let control = at.wrapping_add(ADVANCED_CONTROL);
                (self.address, control, ADVANCED_INITIATE_FLR, ADVANCED_PENDING)
            }
            ResetMethod::Bus(bridge) => (bridge, BRIDGE_CONTROL, BRIDGE_RESET, 0),
            ResetMethod::None => return Progress::Failed,
        };
        match self.stage {
            Stage::Idle => self.stage = Stage::Completions(now),
            Stage::Completions(since) => {
                let value = hardware.read(target, control);
                if value & pending == 0 || has_passed(since, STEP_MS) {
                    // The upper half of Device Control is Device Status, where ones clear bits.
                    let keep = if pending == 0 { u32::MAX } else { 0xffff };
                    hardware.write(target, control, value & keep | initiate);
                    self.stage = if pending == 0 { Stage::Held(now) } else { Stage::Recovery(now) };
                }
            }
            Stage::Held(since) if has_passed(since, HELD_MS) => {
                hardware.write(target, control, hardware.read(target, control) & !initiate);
                self.stage = Stage::Recovery(now);
            }
            Stage::Recovery(since) if has_passed(since, STEP_MS) => {
                // A function that is not ready answers with a vendor ID of 1, or not at all.
                let vendor = hardware.read(self.address, ID) & 0xffff;
                let progress = match vendor {
                    1 | 0xffff if has_passed(since, BROKEN_MS) => Progress::Failed,
                    1 | 0xffff => return Progress::Pending,
                    _ => Progress::Done,
                };
                self.stage = Stage::Over(progress);
                return progress;
            }
            Stage::Held(_) | Stage::Recovery(_) => {}
            Stage::Over(progress) => return progress,
        }
        Progress::Pending
    }
}
