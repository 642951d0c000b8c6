//! The Power State Coordination Interface 1.1 as one partition sees it (Arm DEN0022).
//!
//! The state machine decides; EL2 carries the [`Outcome`] out. It belongs to the partition, and EL2
//! holds a lock around each call.

#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;

use crate::addr::Ipa;
use crate::machine::Mpidr;
use crate::smccc::{STANDARD_SECURE, VERSION_ID};

/// PSCI_VERSION: major in bits 31:16, minor in bits 15:0.
const VERSION: i64 = 1 << 16 | 1;
/// MIGRATE_INFO_TYPE: there is no Trusted OS that would need to migrate.
const NO_MIGRATION: i64 = 2;
/// Bit 30 of a function identifier: arguments are 64 bits wide (SMCCC, DEN0028 section 2.5).
const SMC64: u32 = 1 << 30;

/// A return code (DEN0022 section 5.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum Code {
    /// It is done.
    Success = 0,
    /// There is no such function.
    NotSupported = -1,
    /// An argument is wrong.
    InvalidParameters = -2,
    /// The vCPU is on.
    AlreadyOn = -4,
    /// The vCPU is on its way.
    OnPending = -5,
    /// The entry point is not in the partition's memory.
    InvalidAddress = -9,
}

/// What a vCPU is to its partition's PSCI. The numbers are AFFINITY_INFO's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Power {
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
    /// Put this into x0. Errors are negative in all 64 bits, whose lower half is also the right
    /// answer for a caller of the 32-bit convention, which must ignore the upper half.
    Return(i64),
    /// Start `vcpu` and tell [`Psci::started`] when it begins; put SUCCESS into the caller's x0.
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
    /// Wait for an interrupt, then put SUCCESS into x0. Not to wait is allowed.
    Standby,
    /// Stop the partition.
    SystemOff,
    /// Start the partition anew.
    SystemReset,
}

impl From<Code> for Outcome {
    fn from(code: Code) -> Self {
        Self::Return(code as i64)
    }
}

/// A function of PSCI 1.1 that Bulkhead offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Function {
    Version,
    CpuSuspend,
    CpuOff,
    CpuOn,
    AffinityInfo,
    MigrateInfoType,
    SystemOff,
    SystemReset,
    Features,
    SystemReset2,
}

impl Function {
    /// The function with this identifier (DEN0022 section 5.1), if Bulkhead offers it. Only those
    /// that take an address or an MPIDR have a 64-bit variant.
    fn from_id(id: u32) -> Option<Self> {
        let number = (id & !SMC64).checked_sub(STANDARD_SECURE)?;
        match (number, id & SMC64 != 0) {
            (0x00, false) => Some(Self::Version),
            (0x01, _) => Some(Self::CpuSuspend),
            (0x02, false) => Some(Self::CpuOff),
            (0x03, _) => Some(Self::CpuOn),
            (0x04, _) => Some(Self::AffinityInfo),
            (0x06, false) => Some(Self::MigrateInfoType),
            (0x08, false) => Some(Self::SystemOff),
            (0x09, false) => Some(Self::SystemReset),
            (0x0a, false) => Some(Self::Features),
            (0x12, _) => Some(Self::SystemReset2),
            _ => None,
        }
    }
}

/// The power states of one partition's vCPUs.
#[derive(Clone, Debug)]
pub struct Psci {
    power: Vec<Power>,
}

impl Psci {
    /// A partition of `vcpus` vCPUs, all off: [`Psci::started`] tells of the one that boots.
    #[must_use]
    pub fn new(vcpus: usize) -> Self {
        Self { power: vec![Power::Off; vcpus] }
    }

    /// Carries out function `id` (w0) with the arguments of x1 to x3 for vCPU `caller`. `is_ram`
    /// tells whether a guest address is in the partition's memory.
    pub fn call(
        &mut self,
        caller: usize,
        id: u32,
        arguments: [u64; 3],
        is_ram: impl Fn(Ipa) -> bool,
    ) -> Outcome {
        let Some(function) = Function::from_id(id) else {
            return Code::NotSupported.into();
        };
        let width = if id & SMC64 == 0 { u64::from(u32::MAX) } else { u64::MAX };
        let [a, b, c] = arguments.map(|argument| argument & width);
        match function {
            Function::Version => Outcome::Return(VERSION),
            Function::CpuSuspend => suspend(a),
            Function::CpuOff => self.cpu_off(caller),
            Function::CpuOn => self.cpu_on(a, Ipa::new(b), c, is_ram),
            Function::AffinityInfo => self.affinity_info(a, b),
            Function::MigrateInfoType => Outcome::Return(NO_MIGRATION),
            Function::SystemOff => Outcome::SystemOff,
            Function::SystemReset => Outcome::SystemReset,
            Function::Features => features(a),
            Function::SystemReset2 => reset2(a),
        }
    }

    /// Notes that vCPU `number` begins to run guest code.
    pub fn started(&mut self, number: usize) {
        if let Some(power) = self.power.get_mut(number) {
            *power = Power::On;
        }
    }

    /// The state of vCPU `number`; none for a vCPU that the partition does not have.
    #[must_use]
    pub fn power(&self, number: usize) -> Option<Power> {
        self.power.get(number).copied()
    }

    /// Whether every vCPU is off. DEN0022 lets the last CPU turn itself off, and nothing is left
    /// that could turn one on: such a partition has stopped for good.
    #[must_use]
    pub fn all_off(&self) -> bool {
        self.power.iter().all(|&power| power == Power::Off)
    }

    /// The vCPU that an MPIDR argument names. Bits that are no affinity must be zero, MPIDR_EL1's
    /// RES1 bit 31 among them.
    fn find(&self, mpidr: u64) -> Option<usize> {
        let affinity = Mpidr::new(mpidr);
        let number = affinity.to_vcpu()?;
        (affinity.get() == mpidr && number < self.power.len()).then_some(number)
    }

    fn cpu_off(&mut self, caller: usize) -> Outcome {
        if let Some(power) = self.power.get_mut(caller) {
            *power = Power::Off;
        }
        Outcome::CpuOff
    }

    fn cpu_on(
        &mut self,
        target: u64,
        entry: Ipa,
        context: u64,
        is_ram: impl Fn(Ipa) -> bool,
    ) -> Outcome {
        let Some(vcpu) = self.find(target) else {
            return Code::InvalidParameters.into();
        };
        match self.power[vcpu] {
            Power::On => Code::AlreadyOn.into(),
            Power::OnPending => Code::OnPending.into(),
            // AArch64 code cannot begin at an address that is not a multiple of 4.
            Power::Off if !entry.is_aligned(4) || !is_ram(entry) => Code::InvalidAddress.into(),
            Power::Off => {
                self.power[vcpu] = Power::OnPending;
                Outcome::StartCpu { vcpu, entry, context }
            }
        }
    }

    /// AFFINITY_INFO. From PSCI 1.0 on only level 0 is mandatory, and others may be refused.
    fn affinity_info(&self, target: u64, level: u64) -> Outcome {
        match self.find(target) {
            Some(vcpu) if level as u32 == 0 => Outcome::Return(self.power[vcpu] as i64),
            _ => Code::InvalidParameters.into(),
        }
    }
}

/// CPU_SUSPEND, whose first argument is a power state in the original format. Power state 0, a standby
/// of the core (StateType 0, power level 0, StateID 0), is the only one: a partition's tree names
/// no other, and of a powerdown state the guest would expect that it can lose its context.
fn suspend(power_state: u64) -> Outcome {
    if power_state as u32 == 0 { Outcome::Standby } else { Code::InvalidParameters.into() }
}

/// PSCI_FEATURES. CPU_SUSPEND's flags are zero: original power state format, no OS-initiated mode.
fn features(id: u64) -> Outcome {
    let id = id as u32;
    if id == VERSION_ID || Function::from_id(id).is_some() {
        Code::Success.into()
    } else {
        Code::NotSupported.into()
    }
}

/// SYSTEM_RESET2. Type 0 is the architectural warm reset, which starts the partition anew as a cold
/// one does. All other types, architectural (bit 31 clear) or vendor-specific, do not exist here.
fn reset2(kind: u64) -> Outcome {
    if kind as u32 == 0 { Outcome::SystemReset } else { Code::InvalidParameters.into() }
}
