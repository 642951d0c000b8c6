//! LPIs, which come by messages.

use bulkhead::arch::addr::Pa;

use super::Gic;

/// The tables for the LPIs of a CPU.
pub struct LpiTables {
    /// Their configuration, which is the same for all CPUs.
    pub configuration: Pa,
    /// Which of them are pending.
    pub pending: Pa,
    /// The number of bits of their INTIDs.
    pub bits: u32,
}

impl Gic {
    /// Has this CPU, whose index is `cpu`, take LPIs, whose tables these are. It must have
    /// [set up](Self::init_cpu) its interface.
    ///
    /// # Errors
    ///
    /// A sentence, if it cannot.
    #[inline(always)]
    pub fn enable_lpis(&self, cpu: usize, tables: &LpiTables) -> Result<(), &'static str> {
        match self {
            Self::V2(_) => Ok(()),
            Self::V3(gic) => gic.enable_lpis(cpu, tables),
        }
    }

    /// Returns the redistributor of the CPU with this index, as an ITS names it: by its address if
    /// `by_address`, otherwise by the number of its processor (IHI 0069, GITS_TYPER.PTA). 0 on GICv2,
    /// which has none.
    #[inline(always)]
    pub fn redistributor_target(&self, cpu: usize, by_address: bool) -> u64 {
        match self {
            Self::V2(_) => 0,
            Self::V3(gic) => gic.redistributor_target(cpu, by_address),
        }
    }
}
