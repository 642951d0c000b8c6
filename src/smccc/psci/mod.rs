//! The Power State Coordination Interface 1.1 as one partition sees it (Arm DEN0022).
//!
//! [`Psci`] is the state machine of the vCPUs' power states: it decides, and EL2 carries the
//! [`PsciOutcome`] out. Each partition has one, and EL2 holds a lock around each call.

mod functions;
mod service;
#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;

use crate::arch::addr::{Ipa, Region};
use crate::arch::mpidr::Mpidr;
use crate::smccc::codes::NOT_SUPPORTED;
use functions::{
    AFFINITY_INFO, CPU_OFF, CPU_ON, CPU_SUSPEND, SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2,
};

pub(super) use functions::SMC64;
pub(super) use functions::constant;
pub(super) use service::PsciCalls;

// Return codes (DEN0022, section 5.2.2), negative in all 64 bits as those in `codes`.
pub(super) const INVALID_PARAMETERS: i64 = -2;
const ALREADY_ON: i64 = -4;
const ON_PENDING: i64 = -5;
const INVALID_ADDRESS: i64 = -9;

/// The power state of a vCPU. The numbers are AFFINITY_INFO's results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PowerState {
    /// It runs guest code.
    On = 0,
    /// It waits for CPU_ON.
    Off = 1,
    /// CPU_ON was accepted, and it does not run guest code yet.
    OnPending = 2,
}

/// What EL2 has to do about a PSCI call. The calling vCPU continues unless stated otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PsciOutcome {
    /// Put this into x0.
    Return(i64),
    /// Start `vcpu`, and call [`Psci::started`] when it begins to run; put
    /// [`SUCCESS`](crate::smccc::codes::SUCCESS) into the caller's x0.
    StartCpu {
        /// The number of the vCPU to start.
        vcpu: usize,
        /// Its first instruction, which lies in the partition's memory.
        entry: Ipa,
        /// Its x0.
        context: u64,
    },
    /// Stop the calling vCPU until it is started again.
    CpuOff,
    /// Wait for an interrupt, then put [`SUCCESS`](crate::smccc::codes::SUCCESS) into x0. EL2 may
    /// skip the wait.
    Standby,
    /// Stop the partition.
    SystemOff,
    /// Restart the partition.
    SystemReset,
}

/// The power states of one partition's vCPUs.
#[derive(Clone, Debug)]
pub struct Psci {
    power: Vec<PowerState>,
    memory: Region<Ipa>,
}

impl Psci {
    /// Creates the state of a partition with this memory and `vcpus` vCPUs, all of them off. EL2
    /// calls [`Psci::started`] for the one that boots.
    pub fn new(vcpus: usize, memory: Region<Ipa>) -> Self {
        Self { power: vec![PowerState::Off; vcpus], memory }
    }

    /// Marks all vCPUs as off.
    pub fn reset(&mut self) {
        self.power.fill(PowerState::Off);
    }

    /// Carries out a function (w0) with the arguments of x1 to x3 for vCPU `caller`. Functions
    /// whose results depend on no power state do not get here: [`decode`](crate::smccc::decode)
    /// returns their results.
    pub fn call(&mut self, caller: usize, function: u32, arguments: [u64; 3]) -> PsciOutcome {
        let width = if function & SMC64 == 0 { u64::from(u32::MAX) } else { u64::MAX };
        let [a, b, c] = arguments;
        let (a, b, c) = (a & width, b & width, c & width);
        match (function & !SMC64, function & SMC64) {
            // Power state 0 of the original format, a standby of the core, is the only one that a
            // partition's device tree offers. A powerdown state would have to lose the context.
            (CPU_SUSPEND, _) if a as u32 == 0 => PsciOutcome::Standby,
            (CPU_SUSPEND, _) => PsciOutcome::Return(INVALID_PARAMETERS),
            (CPU_OFF, 0) => {
                self.set(caller, PowerState::Off);
                PsciOutcome::CpuOff
            }
            (CPU_ON, _) => self.cpu_on(a, Ipa::new(b), c),
            (AFFINITY_INFO, _) => PsciOutcome::Return(self.affinity_info(a, b)),
            (SYSTEM_OFF, 0) => PsciOutcome::SystemOff,
            (SYSTEM_RESET, 0) => PsciOutcome::SystemReset,
            // Type 0, the architectural warm reset, restarts the partition as a cold reset does.
            // Others, architectural (bit 31 clear) or vendor-specific, are not implemented.
            (SYSTEM_RESET2, _) if a as u32 == 0 => PsciOutcome::SystemReset,
            (SYSTEM_RESET2, _) => PsciOutcome::Return(INVALID_PARAMETERS),
            _ => PsciOutcome::Return(NOT_SUPPORTED),
        }
    }

    /// Marks a vCPU as on: it begins to run guest code.
    pub fn started(&mut self, vcpu: usize) {
        self.set(vcpu, PowerState::On);
    }

    fn set(&mut self, vcpu: usize, to: PowerState) {
        if let Some(power) = self.power.get_mut(vcpu) {
            *power = to;
        }
    }

    /// Returns the number and the power state of the vCPU that an MPIDR argument names. Bits
    /// outside the affinity fields must be zero, MPIDR_EL1's RES1 bit 31 included.
    // Out of line: it has several callers.
    #[inline(never)]
    fn find(&mut self, mpidr: u64) -> Option<(usize, &mut PowerState)> {
        let affinity = Mpidr::new(mpidr);
        let vcpu = affinity.to_vcpu().filter(|_| affinity.get() == mpidr)?;
        Some((vcpu, self.power.get_mut(vcpu)?))
    }

    /// Carries out CPU_ON.
    fn cpu_on(&mut self, target: u64, entry: Ipa, context: u64) -> PsciOutcome {
        let can_start = entry.is_aligned(4) && self.memory.contains(entry);
        PsciOutcome::Return(match self.find(target) {
            None => INVALID_PARAMETERS,
            Some((_, PowerState::On)) => ALREADY_ON,
            Some((_, PowerState::OnPending)) => ON_PENDING,
            // AArch64 instructions are at multiples of 4.
            Some(_) if !can_start => INVALID_ADDRESS,
            Some((vcpu, power)) => {
                *power = PowerState::OnPending;
                return PsciOutcome::StartCpu { vcpu, entry, context };
            }
        })
    }

    /// Returns the result of AFFINITY_INFO. PSCI 1.0 makes affinity levels other than 0 optional,
    /// and they are refused.
    fn affinity_info(&mut self, target: u64, level: u64) -> i64 {
        match self.find(target) {
            Some((_, power)) if level as u32 == 0 => *power as i64,
            _ => INVALID_PARAMETERS,
        }
    }
}
