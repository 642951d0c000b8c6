//! Reads which devices a partial device tree for Xen assigns to a domain.
//!
//! Each node at any depth below `/passthrough` with a property `xen,path` is a device of the
//! machine. The partition gets the machine's own node of it, not the one of this tree
//! (Xen, docs/misc/arm/passthrough.txt).

use alloc::string::String;
use alloc::vec::Vec;

use super::{Cells, Result, refuse};
use crate::boot::fdt::{Node, Tree};

/// The devices of a domain.
#[derive(Default)]
pub(super) struct Passthrough {
    /// Their paths in the machine's tree.
    pub devices: Vec<String>,
    /// Whether one is assigned although no SMMU restricts its DMA.
    pub is_unprotected: bool,
}

/// Reads the bytes of the module at `path`.
///
/// # Errors
///
/// If they are no device tree, or if a device has its registers at another guest address than the
/// physical one.
pub(super) fn passthrough(path: &str, bytes: &[u8]) -> Result<Passthrough> {
    let tree = match Tree::new(bytes) {
        Ok(tree) => tree,
        Err(error) => refuse!(path, ": the device tree is {error}"),
    };
    let mut found = Passthrough::default();
    let Some(root) = tree.node("/passthrough") else {
        refuse!(path, ": the device tree has no node /passthrough");
    };
    for node in root.subtree() {
        if let Some(device) = node.text("xen,path")? {
            found.devices.push(String::from(device));
            found.is_unprotected |= node.flag("xen,force-assign-without-iommu")?;
            check_registers(path, node)?;
        }
    }
    Ok(found)
}

/// Checks `xen,reg` of a device: for each region the physical address, the size and the guest
/// address, of two cells each.
fn check_registers(path: &str, node: Node<'_, '_>) -> Result<()> {
    let Some(property) = node.property("xen,reg") else { return Ok(()) };
    let node = node.path();
    let (entries, rest) = property.value.as_chunks::<24>();
    if !rest.is_empty() {
        let like = "regions of an address, a size and a guest address in two cells each";
        refuse!(path, ": {node}: xen,reg ({} bytes) is not {like}", property.value.len());
    }
    for entry in entries {
        let (physical, guest) = (&entry[..8], &entry[16..]);
        if physical != guest {
            let (physical, guest) = (Cells(physical), Cells(guest));
            let way = "devices are at their physical addresses for guests, too";
            refuse!(path, ": {node}: xen,reg has {physical} at the guest address {guest}: {way}");
        }
    }
    Ok(())
}
