//! What takes the messages (MSIs) of PCI Express functions: an interrupt translation service of a
//! GICv3 (binding `arm,gic-v3-its`), or a frame of a GICv2m (binding `arm,gic-v2m-frame`).
//!
//! A GICv3 can have registers for messages in its distributor (`mbi-ranges`). Bulkhead does not use
//! them: who can write to them can write to all registers in their page, which steer the interrupts
//! of all partitions.

use alloc::string::String;
use alloc::vec::Vec;

use super::Machine;
use super::remarks::Remarks;
use crate::arch::addr::{PAGE_SIZE, Pa, Region};
use crate::boot::fdt::{Node, NodeError};
use crate::boot::msi::registers::{ITS_SIZE, TRANSLATION_FRAME};
use crate::boot::msi::{Features, MessageSource};
use crate::msi::frame::FrameSpis;

const ITS: &str = "arm,gic-v3-its";
const FRAME: &str = "arm,gic-v2m-frame";

/// What takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageController {
    /// The path of its node.
    pub path: String,
    /// Its registers.
    pub registers: Region<Pa>,
    /// What kind it is.
    pub kind: MessageKind,
    /// The phandle by which host bridges refer to it.
    pub(crate) phandle: Option<u32>,
}

/// The kind of a controller of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// An ITS, with what it can do, or what it lacks, as a clause. The tree does not say that: boot
    /// sets it from the ITS's registers.
    Its(Result<Features, &'static str>),
    /// A frame of a GICv2m with these SPIs. `None` if neither the tree nor, as boot finds, the
    /// register MSI_TYPER tells some.
    Frame(Option<FrameSpis>),
}

impl MessageController {
    /// Returns the page to which functions write.
    pub fn page(&self) -> Pa {
        match self.kind {
            MessageKind::Its(_) => Pa::new(self.registers.start().get() + TRANSLATION_FRAME),
            MessageKind::Frame(_) => self.registers.start(),
        }
    }
}

impl Machine {
    /// Returns the source of messages of the function with this Requester ID behind the PCI host
    /// bridge that a node describes: by its `msi-map` and `msi-map-mask`, otherwise by `msi-parent`
    /// with the Requester ID itself (binding `pci-msi`). `None` if it has none of a controller that
    /// Bulkhead drives.
    pub fn message_source(&self, bridge: Node<'_, '_>, requester_id: u16) -> Option<MessageSource> {
        let (phandle, id) = match bridge.property("msi-map") {
            Some(_) => bridge.map_requester("msi-map", "msi-map-mask", requester_id)?,
            None => {
                let parent = bridge.property("msi-parent")?.cells()?.next()?;
                (parent, requester_id.into())
            }
        };
        let mut controllers = self.message_controllers.iter();
        let controller = controllers.position(|it| it.phandle == Some(phandle))?;
        Some(MessageSource { controller, id })
    }
}

/// Reads the controllers of messages below the node of the interrupt controller. An invalid one is
/// ignored, with a remark: functions then interrupt by their pins.
pub(super) fn read(gic: Node<'_, '_>, remarks: &mut Remarks) -> Vec<MessageController> {
    let mut controllers = Vec::new();
    for node in gic.children().filter(|node| node.is_available()) {
        let kind = if node.is_compatible(ITS) {
            MessageKind::Its(Ok(Features::ASSUMED))
        } else if node.is_compatible(FRAME) {
            MessageKind::Frame(spis(node))
        } else {
            continue;
        };
        match controller(node, kind) {
            Ok(controller) => controllers.push(controller),
            Err(error) => remarks.ignore(node, &error),
        }
    }
    controllers
}

/// Reads one controller.
fn controller(node: Node<'_, '_>, kind: MessageKind) -> Result<MessageController, NodeError> {
    let registers = node.regions()?.first().copied().ok_or(NodeError::Property("reg"))?;
    let (size, align, fault) = match kind {
        MessageKind::Its(_) => (ITS_SIZE, 0x1_0000, "its registers are not two pages of 64 KiB"),
        MessageKind::Frame(_) => (PAGE_SIZE, PAGE_SIZE, "its registers are not a page"),
    };
    if registers.size() < size || !registers.start().is_aligned(align) {
        return Err(NodeError::Fault(fault));
    }
    Ok(MessageController { path: node.path(), registers, kind, phandle: node.phandle() })
}

/// Returns the SPIs that the tree says, which then replace those of MSI_TYPER.
fn spis(node: Node<'_, '_>) -> Option<FrameSpis> {
    let number = |name| node.property(name)?.u32();
    FrameSpis::new(number("arm,msi-base-spi")?, number("arm,msi-num-spis")?)
}
