//! Reads the node `links`: what partitions say to each other.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Result, refuse};
use crate::boot::fdt::{Node, Property};
use crate::util::nearest::nearest;
use crate::virtio::link::{Kind, MAX_PORTS};

/// The description of a link: its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkDescription {
    /// The path of its node.
    pub path: String,
    /// The name of its node, 1 to 15 letters, digits, hyphens and underscores.
    pub name: String,
    /// `type`.
    pub kind: Kind,
    /// `partitions`: at least two different ones, as indices into [`Description::partitions`]. The
    /// index of one in this list is the number of its port.
    ///
    /// [`Description::partitions`]: super::Description::partitions
    pub partitions: Vec<usize>,
    /// `mtu` of a network: the largest packet without its Ethernet header, in bytes.
    pub mtu: Option<u16>,
    /// `no-offload` of a network: checksums are complete, and no frame is larger than the MTU.
    pub no_offload: bool,
}

/// The properties of a link.
pub(super) const PROPERTIES: [&str; 5] = ["type", "partitions", "mtu", "no-offload", "size"];
/// The properties that only networks have.
pub(super) const OF_NETWORKS: [&str; 2] = ["mtu", "no-offload"];

/// The values of `type`, but for `memory`.
const KINDS: [(&str, Kind); 3] =
    [("network", Kind::Network), ("console", Kind::Console), ("vsock", Kind::Socket)];

/// The smallest MTU (VIRTIO 1.2, 5.1.4.1).
const MIN_MTU: u32 = 68;

/// Reads the node `links` of the description `system`, whose partitions have these names.
///
/// # Errors
///
/// The first error.
pub(super) fn links(system: Node<'_, '_>, partitions: &[&str]) -> Result<Vec<LinkDescription>> {
    let mut links: Vec<LinkDescription> = Vec::new();
    let Some(node) = system.first_child("links") else {
        return Ok(links);
    };
    node.check(&[], None)?;
    let mut names = Vec::new();
    for node in node.children() {
        let name = node.plain_name()?;
        if names.contains(&name) {
            refuse!(node.path(), ": name = \"{name}\" is already given to another link");
        }
        names.push(name);
        if !is_memory(node)? {
            links.push(link(node, partitions)?);
        }
    }
    Ok(links)
}

/// Returns whether a link is memory that its partitions share.
pub(super) fn is_memory(link: Node<'_, '_>) -> Result<bool> {
    Ok(link.text("type")? == Some("memory"))
}

/// Reads the node of a link.
fn link(node: Node<'_, '_>, partitions: &[&str]) -> Result<LinkDescription> {
    node.check(&PROPERTIES, Some(&[]))?;
    let path = node.path();
    let name = node.plain_name()?;
    let kind = match node.text("type")? {
        None => {
            let kinds = "\"network\", \"console\", \"vsock\" or \"memory\"";
            refuse!(path, ": type is missing: give {kinds}")
        }
        Some(text) => match KINDS.iter().find(|(name, _)| *name == text) {
            Some((_, kind)) => *kind,
            None => {
                let like = "none of \"network\", \"console\", \"vsock\" and \"memory\"";
                refuse!(path, ": type = \"{text}\" is {like}")
            }
        },
    };
    let mtu = match node.cell("mtu")? {
        None => None,
        Some(mtu) => match u16::try_from(mtu).ok().filter(|_| mtu >= MIN_MTU) {
            None => refuse!(path, ": mtu = <{mtu}> is not from {MIN_MTU} to {}", u16::MAX),
            mtu => mtu,
        },
    };
    let no_offload = node.flag("no-offload")?;
    if node.property("size").is_some() {
        refuse!(path, ": size is only for type = \"memory\"");
    }
    if kind != Kind::Network {
        for property in OF_NETWORKS {
            if node.property(property).is_some() {
                refuse!(path, ": {property} is only for type = \"network\"");
            }
        }
    }
    let partitions = ports(node, partitions)?;
    if kind == Kind::Console && partitions.len() > 2 {
        refuse!(path, ": partitions has {}, but a console has two ends", partitions.len());
    }
    Ok(LinkDescription { name: String::from(name), path, kind, partitions, mtu, no_offload })
}

/// Reads `partitions` of a link.
pub(super) fn ports(node: Node<'_, '_>, partitions: &[&str]) -> Result<Vec<usize>> {
    let path = node.path();
    let strings = |it: &Property<'_>| Some(it.strings()?.map(String::from).collect::<Vec<_>>());
    let names = node.read("partitions", "a list of strings", strings)?.unwrap_or_default();
    let mut ports = Vec::with_capacity(names.len());
    for name in &names {
        let Some(index) = partitions.iter().position(|it| it == name) else {
            let nearest = nearest(name.as_bytes(), &mut partitions.iter().copied());
            let why = "is not a partition; the nearest name is";
            refuse!(path, ": partitions = \"{name}\" {why} \"{nearest}\"");
        };
        if ports.contains(&index) {
            refuse!(path, ": partitions = \"{name}\" is given twice: a link has one end in each");
        }
        ports.push(index);
    }
    match ports.len() {
        0 | 1 => {
            let like = "give the names of at least two, as in \"linux\", \"control\"";
            refuse!(path, ": partitions has {}: {like}", ports.len())
        }
        count if count > usize::from(MAX_PORTS) => {
            refuse!(path, ": partitions has {count}, more than a link can have, {MAX_PORTS}")
        }
        _ => Ok(ports),
    }
}
