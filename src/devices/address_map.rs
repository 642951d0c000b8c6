//! The guest address map: that of QEMU `virt`, on every machine. The addresses of other devices
//! are in their files (`FACTS`).

use crate::arch::addr::{Ipa, PAGE_SIZE};

/// The start of a guest's memory, unless its description has `guest-base`.
pub const GUEST_BASE: Ipa = Ipa::new(0x4000_0000);
/// The end of the IPA space: stage 2 translates 39 bits.
pub const IPA_END: u64 = 1 << 39;
/// The distributor, GICD.
pub const DISTRIBUTOR: Ipa = Ipa::new(0x0800_0000);
/// The size of the distributor's registers in bytes (IHI 0069, section 12.8).
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The GICv2 CPU interface, GICC.
pub const CPU_INTERFACE: Ipa = Ipa::new(0x0801_0000);
/// The size of the CPU interface in bytes: a page that stage 2 maps to the hardware's GICV, and the
/// page of GICC_DIR, which traps.
pub const CPU_INTERFACE_SIZE: u64 = 2 * PAGE_SIZE;
/// The GICv3 redistributors, GICR, consecutive in the order of the vCPUs.
pub const REDISTRIBUTORS: Ipa = Ipa::new(0x080a_0000);
/// The size of one vCPU's redistributor in bytes: the frames RD_base and SGI_base.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// The number of redistributors that fit below the PL011.
pub const MAX_REDISTRIBUTORS: usize =
    ((CONSOLE.get() - REDISTRIBUTORS.get()) / REDISTRIBUTOR_SIZE) as usize;
/// The emulated PL011 that is the guest's console.
pub const CONSOLE: Ipa = Ipa::new(0x0900_0000);
/// The size of a PL011's registers in bytes.
pub const CONSOLE_SIZE: u64 = PAGE_SIZE;

/// The virtio devices of a guest, a page each, at the address of those of QEMU `virt`.
pub const VIRTIO: Ipa = Ipa::new(0x0a00_0000);

/// The configuration space of a guest's PCI Express functions, at the address of that of QEMU
/// `virt` without high memory.
pub const PCI_CONFIGURATION: Ipa = Ipa::new(0x3f00_0000);
/// The size of that configuration space in bytes: one bus.
pub const PCI_CONFIGURATION_SIZE: u64 = 1 << 20;
/// The frame of a GICv2m to which a guest has its functions send messages, a page behind their
/// configuration space.
pub const MESSAGE_FRAME: Ipa = Ipa::new(PCI_CONFIGURATION.get() + PCI_CONFIGURATION_SIZE);

/// The doorbells of the memory that a guest shares, a page each.
pub const DOORBELLS: Ipa = Ipa::new(0x0a10_0000);

/// The emulated PL011 behind which a guest finds the monitor, at the address of the second PL011
/// of QEMU `virt`.
pub const MONITOR: Ipa = Ipa::new(0x0904_0000);
