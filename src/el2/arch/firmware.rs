//! Calls to firmware at EL3: PSCI (DEN0022) and SMCCC (DEN0028).

use bulkhead::arch::addr::Pa;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::machine::Conduit;
use bulkhead::smccc::Workaround;
use core::arch::asm;

const PSCI_SYSTEM_OFF: u32 = 0x8400_0008;
const PSCI_SYSTEM_RESET: u32 = 0x8400_0009;
const PSCI_FEATURES: u32 = 0x8400_000a;
const PSCI_CPU_ON: u32 = 0xc400_0003;
const SMCCC_VERSION: u32 = 0x8000_0000;
const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
const TRNG_VERSION: u32 = 0x8400_0050;
const TRNG_RND64: u32 = 0xc400_0053;

/// The number of words that [`Firmware::random`] returns, the most of one call.
pub const RANDOM_WORDS: usize = 3;

/// Firmware that can be called by SMC. A value exists only if the machine's tree has a PSCI node
/// with the SMC conduit: on a machine without EL3, SMC is UNDEFINED.
#[derive(Clone, Copy)]
pub struct Firmware(());

impl Firmware {
    /// Returns the firmware whose PSCI has this conduit in the machine's tree, if it can be called
    /// by SMC. An HVC from EL2 is taken to EL2 itself, so the HVC conduit cannot be used.
    pub fn find(psci: Option<Conduit>) -> Option<Self> {
        (psci == Some(Conduit::Smc)).then_some(Self(()))
    }

    /// Starts a CPU at `entry` (CPU_ON).
    ///
    /// # Errors
    ///
    /// PSCI's error code (DEN0022 section 5.2.2).
    ///
    /// # Safety
    ///
    /// `entry` must be code that a CPU can run with its MMU off.
    pub unsafe fn cpu_on(self, cpu: Mpidr, entry: Pa) -> Result<(), i64> {
        // SAFETY: the caller guarantees `entry`; CPU_ON has no other effect on the calling CPU than
        // its result.
        match unsafe { call(PSCI_CPU_ON, [cpu.get(), entry.get(), 0])[0] as i64 } {
            0 => Ok(()),
            error => Err(error),
        }
    }

    /// Resets the machine if `reset`, otherwise powers it off. Returns only if firmware fails.
    pub fn end(self, reset: bool) {
        let function = if reset { PSCI_SYSTEM_RESET } else { PSCI_SYSTEM_OFF };
        // SAFETY: SYSTEM_OFF and SYSTEM_RESET either do not return or change nothing (DEN0022).
        unsafe { call(function, [0; 3]) };
    }

    /// Returns whether firmware implements SMCCC 1.1 or later, which has SMCCC_ARCH_FEATURES.
    pub fn has_smccc_1_1(self) -> bool {
        // SAFETY: both calls only return a value. PSCI_FEATURES exists since PSCI 1.0; older
        // firmware returns NOT_SUPPORTED.
        let version = unsafe {
            if call(PSCI_FEATURES, [u64::from(SMCCC_VERSION), 0, 0])[0] as i32 != 0 {
                return false;
            }
            call(SMCCC_VERSION, [0; 3])[0] as i32
        };
        version >= 0x1_0001
    }

    /// Returns the result of SMCCC_ARCH_FEATURES for a function. Firmware must implement SMCCC 1.1
    /// ([`has_smccc_1_1`](Self::has_smccc_1_1)).
    pub fn features(self, function: u32) -> i32 {
        // SAFETY: SMCCC_ARCH_FEATURES only returns a value.
        unsafe { call(SMCCC_ARCH_FEATURES, [u64::from(function), 0, 0])[0] as i32 }
    }

    /// Returns whether firmware implements the TRNG interface 1.0 or later (DEN0098). It must
    /// implement SMCCC 1.1 ([`has_smccc_1_1`](Self::has_smccc_1_1)).
    #[inline(always)]
    pub fn has_trng(self) -> bool {
        // SAFETY: TRNG_VERSION only returns a value.
        unsafe { call(TRNG_VERSION, [0; 3])[0] as i32 >= 0x1_0000 }
    }

    /// Returns random numbers of firmware's TRNG; `None` if it has too few at the moment. Firmware
    /// must have one ([`has_trng`](Self::has_trng)).
    #[inline(always)]
    pub fn random(self) -> Option<[u64; RANDOM_WORDS]> {
        const BITS: u64 = RANDOM_WORDS as u64 * 64;
        // SAFETY: TRNG_RND64 only returns values.
        let [status, numbers @ ..] = unsafe { call(TRNG_RND64, [BITS, 0, 0]) };
        (status as i32 == 0).then_some(numbers)
    }
}

/// Applies a mitigation that firmware advertises on this CPU, and returns x0 of the call.
pub fn work_around(workaround: Workaround, argument: u64) -> i64 {
    // SAFETY: a `Workaround` exists only for an identifier that firmware advertised through
    // SMCCC_ARCH_FEATURES; each of the three acts on this CPU's speculation alone.
    unsafe { call(workaround.id(), [argument, 0, 0])[0] as i64 }
}

/// Makes a secure monitor call with up to three arguments, and returns x0 to x3 (SMCCC, DEN0028
/// section 2.6).
///
/// # Safety
///
/// - Firmware must handle SMCs: a [`Firmware`] or a [`Workaround`] exists.
/// - The effects of `function` must be sound for the caller.
#[inline(always)]
unsafe fn call(function: u32, [mut x1, mut x2, mut x3]: [u64; 3]) -> [u64; 4] {
    let mut x0 = u64::from(function);
    // SAFETY: firmware that follows the calling convention preserves x18 to x30 and SP; all other
    // general registers are outputs; the caller guarantees the effects of the function.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") x0,
            inout("x1") x1,
            inout("x2") x2,
            inout("x3") x3,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _,
            out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
            out("x16") _, out("x17") _,
            options(nostack),
        );
    }
    [x0, x1, x2, x3]
}
