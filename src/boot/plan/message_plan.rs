//! The messages of PCI Express functions in the Plan, as plain data.

use alloc::vec::Vec;

use crate::arch::addr::{Pa, Region};
use crate::arch::intid::{Interrupt, Intid, Trigger};
use crate::boot::machine::{Machine, MessageKind};
use crate::boot::msi;
use crate::msi::frame::FrameSpis;

/// The messages by which a partition's functions interrupt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePlan {
    /// What takes them, as an index into
    /// [`Machine::message_controllers`](crate::boot::machine::Machine::message_controllers).
    pub controller: usize,
    /// The SPIs of the guest's frame.
    pub spis: FrameSpis,
    /// The page that the functions reach in the place of the guest's frame,
    /// [`MESSAGE_FRAME`](crate::devices::address_map::MESSAGE_FRAME).
    pub page: Pa,
    /// Whether LPIs stand for the SPIs. Otherwise they are SPIs of the machine.
    pub is_virtual: bool,
}

/// The ITS that takes messages of partitions' functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItsPlan {
    /// The ITS, as an index into
    /// [`Machine::message_controllers`](crate::boot::machine::Machine::message_controllers).
    pub controller: usize,
    /// What it can do.
    pub features: msi::Features,
    /// The layout of its memory.
    pub layout: msi::Layout,
    /// The memory of its tables, of its command queue, and of the redistributors' tables.
    pub memory: Region<Pa>,
    /// The functions whose messages it takes. Their LPIs are numbered in this order
    /// ([`Intid::lpi`](crate::arch::intid::Intid::lpi)).
    pub sources: Vec<PlannedSource>,
    /// The CPUs that take them, as indices into
    /// [`Machine::cpus`](crate::boot::machine::Machine::cpus). The index in this list is the number
    /// of the CPU's collection.
    pub cpus: Vec<usize>,
}

/// A function whose messages an ITS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSource {
    /// The DeviceID.
    pub device: u32,
    /// The partition, as an index into [`Plan::partitions`](super::Plan::partitions).
    pub partition: usize,
}

impl MessagePlan {
    /// Returns whether functions can raise this SPI, whatever the guest's frame says.
    pub fn can_raise(&self, machine: &Machine, spi: Intid) -> bool {
        match machine.message_controllers[self.controller].kind {
            MessageKind::Frame(Some(spis)) => spis.contains(spi.get()),
            MessageKind::Frame(None) | MessageKind::Its(_) => false,
        }
    }

    /// Returns the interrupts of messages.
    pub fn interrupts(&self) -> impl Iterator<Item = Interrupt> + use<> {
        let spis = (self.spis.first.get()..self.spis.end()).filter_map(Intid::new);
        spis.map(|intid| Interrupt { intid, trigger: Trigger::Edge })
    }
}
