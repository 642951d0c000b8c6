//! The ends of links: the devices by which partitions see them, and their interrupts.

use alloc::vec::Vec;

use super::emulated::FreeInterrupts;
use super::types::{LinkPlan, LinkPort};
use crate::arch::intid::Interrupt;
use crate::boot::description::refuse;
use crate::boot::description::{Description, LinkDescription, PartitionDescription, Result};
use crate::devices::planned::MAX_LINKS;
use crate::virtio::link::Kind;
use crate::virtio::personality::{FIRST_CID, Personality};

/// The links of all partitions.
pub(super) struct Links {
    /// The links, in the order of the description.
    pub links: Vec<LinkPlan>,
    /// For each partition its ends, in the same order.
    pub ports: Vec<Vec<LinkPort>>,
}

/// Returns the links of a description, whose interrupts are still to be assigned.
///
/// # Errors
///
/// If a partition has more than [`MAX_LINKS`], of which a virtio console is one.
pub(super) fn links(description: &Description) -> Result<Links> {
    let mut ports: Vec<_> = description.partitions.iter().map(|_| Vec::new()).collect();
    let mut links = Vec::with_capacity(description.links.len());
    for (number, link) in description.links.iter().enumerate() {
        for (port, partition) in link.partitions.iter().enumerate() {
            let ports: &mut Vec<LinkPort> = &mut ports[*partition];
            let PartitionDescription { name, virtio_console, .. } =
                &description.partitions[*partition];
            let limit = MAX_LINKS - usize::from(*virtio_console);
            if ports.len() == limit {
                let most = "more links than a partition can have";
                let beside = if *virtio_console { " beside a virtio console" } else { "" };
                refuse!(link.path, ": partitions = \"{name}\" has {most}{beside}, {limit}");
            }
            ports.push(LinkPort {
                link: number,
                port: port as u8,
                name: link.name.clone(),
                personality: personality(number, link, port),
                interrupt: None,
            });
        }
        let LinkDescription { name, kind, partitions, .. } = link;
        links.push(LinkPlan { name: name.clone(), kind: *kind, partitions: partitions.clone() });
    }
    Ok(Links { links, ports })
}

/// Gives each port of a partition an SPI that no device of the machine has: whoever sends to the
/// port makes it pending, and the interrupt controller brings it to the partition's CPU.
///
/// # Errors
///
/// If too few are left.
pub(super) fn assign_interrupts(
    free: &mut FreeInterrupts,
    path: &str,
    ports: &mut [LinkPort],
) -> Result<()> {
    for port in ports {
        port.interrupt = Some(free.next_for_link(path, &port.name)?);
    }
    Ok(())
}

/// Returns an interrupt of the same kind for the virtio console of a partition; `None` if it has no
/// such console.
///
/// # Errors
///
/// If no SPI is left.
pub(super) fn console_interrupt(
    free: &mut FreeInterrupts,
    partition: &PartitionDescription,
) -> Result<Option<Interrupt>> {
    if !partition.virtio_console {
        return Ok(None);
    }
    let Some(interrupt) = free.next_edge() else {
        let why = "needs an SPI above those of the machine's devices, and none is left";
        refuse!(partition.path, ": console = \"virtio\" {why}: leave it out");
    };
    Ok(Some(interrupt))
}

/// Returns what the device of a port is.
fn personality(number: usize, link: &LinkDescription, port: usize) -> Personality {
    match link.kind {
        Kind::Network => Personality::Network {
            mac: mac(number, port),
            mtu: link.mtu.unwrap_or(0),
            has_offloads: !link.no_offload,
        },
        Kind::Console => Personality::Console,
        Kind::Socket => Personality::Socket { cid: FIRST_CID + port as u32 },
    }
}

/// Returns the MAC address of a port: a locally administered one (IEEE 802, 8.4), with the numbers
/// of the link and of the port.
fn mac(link: usize, port: usize) -> [u8; 6] {
    let [.., high, low] = link.to_be_bytes();
    [0x02, b'b', b'k', high, low, port as u8 + 1]
}
