//! What all emulated devices of one kind have in common.

use crate::arch::addr::Ipa;

/// What all devices of one kind have in common.
#[derive(Debug)]
pub struct KindFacts {
    /// The name in the monitor's answers.
    pub name: &'static str,
    /// The name in refusals, as in "would cover its PL011".
    pub owned_name: &'static str,
    /// The guest address of its registers.
    pub start: Ipa,
    /// The number of bytes of its registers.
    pub size: Size,
    /// How many bytes at the start are mapped by stage 2; accesses to the others trap.
    pub mapped: u64,
    /// Whether it raises an interrupt, an SPI.
    pub has_interrupt: bool,
    /// Its node in the guest's device tree.
    pub binding: Binding,
}

/// The size of a device's registers in bytes.
#[derive(Debug)]
pub enum Size {
    /// This size.
    Fixed(u64),
    /// This size for each vCPU of the partition.
    PerVcpu(u64),
    /// This size for each virtio device, or each doorbell, of the partition.
    PerDevice(u64),
}

/// What the device tree binding of one kind of emulated device requires.
#[derive(Debug)]
pub struct Binding {
    /// The name of the node.
    pub node: &'static str,
    /// `compatible`. Empty for a part of the interrupt controller that is the same in all versions.
    pub compatible: &'static [&'static str],
    /// The property of `/aliases` that refers to the node.
    pub alias: Option<&'static str>,
    /// The size of each entry of `reg` in bytes; `None` for one entry with all registers.
    pub entry: Option<u64>,
}

impl Binding {
    /// The node of the interrupt controller, which several emulated devices make up.
    pub const INTERRUPT_CONTROLLER: &'static str = "interrupt-controller";

    /// Returns the binding of a part of the interrupt controller, with one entry of `reg`.
    pub(super) const fn interrupt_controller(compatible: &'static [&'static str]) -> Self {
        Self { node: Self::INTERRUPT_CONTROLLER, compatible, alias: None, entry: None }
    }

    /// Returns the binding of a PL011 with an alias.
    pub(super) const fn pl011(alias: &'static str) -> Self {
        let compatible = &["arm,pl011", "arm,primecell"];
        Self { node: "pl011", compatible, alias: Some(alias), entry: None }
    }
}
