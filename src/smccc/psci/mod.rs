//! The Power State Coordination Interface 1.1 as one partition sees it (Arm DEN0022).
//!
//! The state machine decides; EL2 carries the [`Outcome`] out. It belongs to the partition, and EL2
//! holds a lock around each call.

#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;

use crate::arch::addr::{Ipa, Region};
use crate::arch::mpidr::Mpidr;
use crate::smccc;

// Function identifiers (DEN0022 section 5.1).
pub(crate) const VERSION: u32 = 0x8400_0000;
const CPU_SUSPEND: u32 = 0x8400_0001;
const CPU_OFF: u32 = 0x8400_0002;
const CPU_ON: u32 = 0x8400_0003;
const AFFINITY_INFO: u32 = 0x8400_0004;
const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;
const FEATURES: u32 = 0x8400_000a;
const SYSTEM_RESET2: u32 = 0x8400_0012;
/// Bit 30 of an identifier: arguments are 64 bits wide (SMCCC, DEN0028 section 2.5).
const SMC64: u32 = 1 << 30;

// Return codes (DEN0022 section 5.2.2). They are negative in all 64 bits, whose lower half is also the
// right answer for a caller of the 32-bit convention, which must ignore the upper half.
/// It is done.
pub const SUCCESS: i64 = 0;
const INVALID_PARAMETERS: i64 = -2;
const ALREADY_ON: i64 = -4;
const ON_PENDING: i64 = -5;
const INVALID_ADDRESS: i64 = -9;

/// What a vCPU is to its partition's PSCI. The numbers are AFFINITY_INFO's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Power {
    /// It runs guest code.
    On = 0,
    /// It waits for CPU_ON.
    Off = 1,
    /// CPU_ON was accepted, and it has not begun.
    OnPending = 2,
}

/// What EL2 has to do about a call. The calling vCPU goes on unless told otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Put this into x0.
    Return(i64),
    /// Start `vcpu` and tell [`Psci::started`] when it begins; put [`SUCCESS`] into the caller's x0.
    StartCpu {
        /// The number of the vCPU to start.
        vcpu: usize,
        /// Its first instruction, which lies in the partition's memory.
        entry: Ipa,
        /// Its x0.
        context: u64,
    },
    /// The calling vCPU is off: it does not go on, and waits to be started.
    CpuOff,
    /// Wait for an interrupt, then put [`SUCCESS`] into x0. Not to wait is allowed.
    Standby,
    /// Stop the partition.
    SystemOff,
    /// Start the partition anew.
    SystemReset,
}

/// What goes into x0 if function `id` is one whose result never changes.
#[inline(always)]
pub(crate) fn constant(id: u32) -> Option<i64> {
    match id {
        VERSION => Some(1 << 16 | 1),
        // There is no Trusted OS that would need to migrate.
        MIGRATE_INFO_TYPE => Some(2),
        _ => None,
    }
}

/// What goes into x0 if function `id`, whose first argument is `x1`, depends on no vCPU's state.
pub(crate) fn answer(id: u32, x1: u64) -> Option<i64> {
    match id {
        // CPU_SUSPEND's flags are zero: original power state format, no OS-initiated mode.
        FEATURES if is_offered(x1 as u32) => Some(SUCCESS),
        FEATURES => Some(smccc::NOT_SUPPORTED),
        _ => constant(id),
    }
}

/// Whether PSCI_FEATURES tells of function `id`. Only those that take an address or an MPIDR have a
/// 64-bit variant.
fn is_offered(id: u32) -> bool {
    match id & !SMC64 {
        CPU_SUSPEND | CPU_ON | AFFINITY_INFO | SYSTEM_RESET2 => true,
        VERSION
        | CPU_OFF
        | MIGRATE_INFO_TYPE
        | SYSTEM_OFF
        | SYSTEM_RESET
        | FEATURES
        | smccc::VERSION => id & SMC64 == 0,
        _ => false,
    }
}

/// The power states of one partition's vCPUs.
#[derive(Clone, Debug)]
pub struct Psci {
    power: Vec<Power>,
    memory: Region<Ipa>,
}

impl Psci {
    /// A partition of `vcpus` vCPUs with this memory, all off: [`Psci::started`] tells of the one
    /// that boots.
    pub fn new(vcpus: usize, memory: Region<Ipa>) -> Self {
        Self { power: vec![Power::Off; vcpus], memory }
    }

    /// All vCPUs are off, as at the start.
    pub fn reset(&mut self) {
        self.power.fill(Power::Off);
    }

    /// Carries out function `id` (w0) with the arguments of x1 to x3 for vCPU `caller`. What
    /// depends on no state is not asked here: [`smccc::decode`] has the answers.
    pub fn call(&mut self, caller: usize, id: u32, arguments: [u64; 3]) -> Outcome {
        let width = if id & SMC64 == 0 { u64::from(u32::MAX) } else { u64::MAX };
        let [a, b, c] = arguments;
        let (a, b, c) = (a & width, b & width, c & width);
        match (id & !SMC64, id & SMC64) {
            // Power state 0 of the original format, a standby of the core, is the only one: a
            // partition's tree names no other, and in a powerdown state a guest could expect to lose
            // its context.
            (CPU_SUSPEND, _) if a as u32 == 0 => Outcome::Standby,
            (CPU_SUSPEND, _) => Outcome::Return(INVALID_PARAMETERS),
            (CPU_OFF, 0) => {
                self.set(caller, Power::Off);
                Outcome::CpuOff
            }
            (CPU_ON, _) => self.cpu_on(a, Ipa::new(b), c),
            (AFFINITY_INFO, _) => Outcome::Return(self.affinity_info(a, b)),
            (SYSTEM_OFF, 0) => Outcome::SystemOff,
            (SYSTEM_RESET, 0) => Outcome::SystemReset,
            // Type 0 is the architectural warm reset, which starts the partition anew as a cold one
            // does. Others, architectural (bit 31 clear) or vendor-specific, do not exist here.
            (SYSTEM_RESET2, _) if a as u32 == 0 => Outcome::SystemReset,
            (SYSTEM_RESET2, _) => Outcome::Return(INVALID_PARAMETERS),
            _ => Outcome::Return(smccc::NOT_SUPPORTED),
        }
    }

    /// Notes that vCPU `number` begins to run guest code.
    pub fn started(&mut self, number: usize) {
        self.set(number, Power::On);
    }

    fn set(&mut self, number: usize, to: Power) {
        if let Some(power) = self.power.get_mut(number) {
            *power = to;
        }
    }

    /// The vCPU that an MPIDR argument names, and its state. Bits that are no affinity must be zero,
    /// MPIDR_EL1's RES1 bit 31 among them.
    // Out of line, for there are several callers.
    #[inline(never)]
    fn find(&mut self, mpidr: u64) -> Option<(usize, &mut Power)> {
        let affinity = Mpidr::new(mpidr);
        let number = affinity.to_vcpu().filter(|_| affinity.get() == mpidr)?;
        Some((number, self.power.get_mut(number)?))
    }

    fn cpu_on(&mut self, target: u64, entry: Ipa, context: u64) -> Outcome {
        let can_start = entry.is_aligned(4) && self.memory.contains(entry);
        Outcome::Return(match self.find(target) {
            None => INVALID_PARAMETERS,
            Some((_, Power::On)) => ALREADY_ON,
            Some((_, Power::OnPending)) => ON_PENDING,
            // AArch64 code cannot begin at an address that is not a multiple of 4.
            Some(_) if !can_start => INVALID_ADDRESS,
            Some((vcpu, power)) => {
                *power = Power::OnPending;
                return Outcome::StartCpu { vcpu, entry, context };
            }
        })
    }

    /// AFFINITY_INFO. From PSCI 1.0 on only level 0 is mandatory, and others may be refused.
    fn affinity_info(&mut self, target: u64, level: u64) -> i64 {
        match self.find(target) {
            Some((_, power)) if level as u32 == 0 => *power as i64,
            _ => INVALID_PARAMETERS,
        }
    }
}
