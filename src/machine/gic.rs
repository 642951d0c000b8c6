//! The interrupt controller's node (bindings `arm,gic` and `arm,gic-v3`).

use super::read::ppi;
use super::{Fault, Gic};
use crate::addr::{Pa, Region};
use crate::fdt::Node;

/// Which GIC a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GicVersion {
    V2,
    V3,
}

/// The least sizes of GICD, GICC, GICH and GICV (IHI 0048B, chapter 4 and section 5.3). GICC and
/// GICV have GICC_DIR in their second page.
const V2_SIZES: [u64; 4] = [0x1000, 0x2000, 0x200, 0x2000];
/// The size of GICD (IHI 0069, section 12.8).
const V3_DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The size of one CPU's two frames of GICR.
const V3_REDISTRIBUTOR_SIZE: u64 = 0x2_0000;

pub(super) fn read(node: Node<'_, '_>, version: GicVersion) -> Result<Gic, Fault> {
    let regions = node.regions()?;
    let region = |index: usize, size: u64| match regions.get(index) {
        Some(region) if region.size() >= size => Ok(*region),
        _ => Err(Fault::TooSmall(index)),
    };
    match version {
        GicVersion::V2 => {
            if regions.len() < V2_SIZES.len() {
                return Err(Fault::NoVirtualInterface);
            }
            Ok(Gic::V2 {
                distributor: region(0, V2_SIZES[0])?,
                cpu_interface: region(1, V2_SIZES[1])?,
                hypervisor: region(2, V2_SIZES[2])?,
                virtual_cpu_interface: region(3, V2_SIZES[3])?,
                maintenance: ppi(node, 0, "maintenance")?,
            })
        }
        GicVersion::V3 => v3(node, region),
    }
}

fn v3(
    node: Node<'_, '_>,
    region: impl Fn(usize, u64) -> Result<Region<Pa>, Fault>,
) -> Result<Gic, Fault> {
    let number = |name| match node.property(name) {
        None => Ok(None),
        Some(property) => property.number().map(Some).ok_or(Fault::Property(name)),
    };
    let runs = number("#redistributor-regions")?.unwrap_or(1);
    let runs = usize::try_from(runs).unwrap_or(usize::MAX).max(1);
    // A region that is missing ends the collection, however many there should be.
    let redistributors = (1..=runs).map(|index| region(index, V3_REDISTRIBUTOR_SIZE));
    Ok(Gic::V3 {
        distributor: region(0, V3_DISTRIBUTOR_SIZE)?,
        redistributors: redistributors.collect::<Result<_, _>>()?,
        redistributor_stride: number("redistributor-stride")?,
        maintenance: ppi(node, 0, "maintenance")?,
    })
}
