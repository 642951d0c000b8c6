//! The node of the interrupt controller (bindings `arm,gic` and `arm,gic-v3`).

use alloc::vec::Vec;

use super::Gic;
use super::gic_registers::REDISTRIBUTOR_SIZE;
use super::ppi::{Faults, ppi};
use crate::arch::addr::PAGE_SIZE;
use crate::boot::fdt::{Node, NodeError};
use crate::mm::tables::INPUT_BITS;

const MAINTENANCE: Faults = Faults {
    missing: "its maintenance interrupt is missing: give the PPI in `interrupts`",
    shared: "its maintenance interrupt is not a PPI",
};
/// The smallest sizes of GICD, GICC, GICH and GICV in bytes (IHI 0048B, chapter 4 and section 5.3).
/// The second page of GICC and GICV has GICC_DIR.
const V2_SIZES: [u64; 4] = [0x1000, 0x2000, 0x200, 0x2000];
/// The size of GICD in bytes (IHI 0069, section 12.8).
const V3_DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The size of a frame of GICR in bytes (IHI 0069, 12.10).
const V3_FRAME: u64 = 0x1_0000;

/// Reads the interrupt controller.
///
/// # Errors
///
/// If registers are missing, too small or out of EL2's reach, or if there is no maintenance
/// interrupt.
pub(super) fn read(node: Node<'_, '_>) -> Result<Gic, NodeError> {
    let regions = node.regions()?;
    let region = |index: usize, size: u64| match regions.get(index) {
        Some(region) if region.end().get() > 1 << INPUT_BITS => {
            Err(NodeError::Fault("its registers lie above 512 GiB"))
        }
        Some(region) if region.size() >= size => Ok(*region),
        _ => Err(NodeError::Fault("its registers are missing or too small")),
    };
    if !node.is_compatible("arm,gic-v3") {
        if regions.len() < V2_SIZES.len() {
            return Err(NodeError::Fault("it has no virtual CPU interface"));
        }
        // Stage 2 maps its first page.
        if !region(3, V2_SIZES[3])?.start().is_aligned(PAGE_SIZE) {
            return Err(NodeError::Fault("its virtual CPU interface is not page-aligned"));
        }
        return Ok(Gic::V2 {
            distributor: region(0, V2_SIZES[0])?,
            cpu_interface: region(1, V2_SIZES[1])?,
            hypervisor: region(2, V2_SIZES[2])?,
            virtual_cpu_interface: region(3, V2_SIZES[3])?,
            maintenance: ppi(node.interrupts()?.first(), &MAINTENANCE)?,
        });
    }
    let distributor = region(0, V3_DISTRIBUTOR_SIZE)?;
    let number = |name| match node.property(name) {
        None => Ok(None),
        Some(property) => property.number().map(Some).ok_or(NodeError::Property(name)),
    };
    let count = number("#redistributor-regions")?.unwrap_or(1).max(1);
    let mut redistributors = Vec::new();
    // A missing region ends this loop with an error, however large `count` is.
    for _ in 0..count {
        redistributors.push(region(redistributors.len() + 1, REDISTRIBUTOR_SIZE)?);
    }
    let redistributor_stride = number("redistributor-stride")?;
    if redistributor_stride.is_some_and(|it| it < REDISTRIBUTOR_SIZE || it % V3_FRAME != 0) {
        return Err(NodeError::Fault(
            "its redistributor-stride is not two frames of 64 KiB or more",
        ));
    }
    Ok(Gic::V3 {
        distributor,
        redistributors,
        redistributor_stride,
        maintenance: ppi(node.interrupts()?.first(), &MAINTENANCE)?,
    })
}
