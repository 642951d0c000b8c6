//! LPIs of a redistributor (IHI 0069, 5.1).

use aarch64_cpu::asm::barrier;
use bulkhead::boot::msi::registers::{
    GICR_ACCESS, GICR_ACCESS_NOT_COHERENT, GICR_TYPER_PLPIS, PENDBASER, PENDING_IS_ZERO, PROPBASER,
    SHAREABILITY,
};

use super::{GICR_CTLR, GICR_CTLR_ENABLE_LPIS, GICR_TYPER, GicV3, Redistributor};
use crate::el2::drivers::gic::LpiTables;

impl GicV3 {
    /// See [`Gic::enable_lpis`](crate::el2::drivers::gic::Gic::enable_lpis).
    #[inline(always)]
    pub fn enable_lpis(&self, cpu: usize, tables: &LpiTables) -> Result<(), &'static str> {
        let Redistributor { control, .. } = self.redistributor(cpu);
        if control.read_long(GICR_TYPER) & GICR_TYPER_PLPIS == 0 {
            return Err(
                "has a redistributor without LPIs, which the ITS needs: remove the ITS from \
                        the machine's tree",
            );
        }
        let LpiTables { configuration, pending, bits } = *tables;
        let configuration = configuration.get() | u64::from(bits - 1);
        let pending = pending.get();
        control.write_long(PROPBASER, configuration | GICR_ACCESS);
        control.write_long(PENDBASER, pending | GICR_ACCESS | PENDING_IS_ZERO);
        // Where accesses cannot be coherent, the shareability reads as zeros.
        if control.read_long(PROPBASER) & SHAREABILITY == 0 {
            control.write_long(PROPBASER, configuration | GICR_ACCESS_NOT_COHERENT);
        }
        if control.read_long(PENDBASER) & SHAREABILITY == 0 {
            let access = GICR_ACCESS_NOT_COHERENT | PENDING_IS_ZERO;
            control.write_long(PENDBASER, pending | access);
        }
        control.write(GICR_CTLR, control.read(GICR_CTLR) | GICR_CTLR_ENABLE_LPIS);
        barrier::dsb(barrier::SY);
        Ok(())
    }

    /// See [`Gic::redistributor_target`](crate::el2::drivers::gic::Gic::redistributor_target).
    #[inline(always)]
    pub fn redistributor_target(&self, cpu: usize, by_address: bool) -> u64 {
        let Redistributor { control, .. } = self.redistributor(cpu);
        if by_address {
            control.start().get()
        } else {
            (control.read_long(GICR_TYPER) >> 8 & 0xffff) << 16
        }
    }
}
