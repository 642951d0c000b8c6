//! Registers of configuration space, by their offsets in bytes, and their fields.

/// Device ID and Vendor ID (PCIe 7.5.1.1). A vendor of all ones: there is no function.
pub const ID: u16 = 0x00;
/// Status and Command (PCIe 7.5.1.1.3, 7.5.1.1.4).
pub const COMMAND: u16 = 0x04;
/// BIST, Header Type, Latency Timer and Cache Line Size.
pub const HEADER: u16 = 0x0c;
/// The first Base Address Register.
pub const BAR: u16 = 0x10;
/// Secondary Latency Timer, and Subordinate, Secondary and Primary Bus Number, of a bridge (PCIe
/// 7.5.1.3).
pub const BUSES: u16 = 0x18;
/// Secondary Status, I/O Limit and I/O Base of a bridge.
pub const BRIDGE_IO: u16 = 0x1c;
/// Memory Limit and Memory Base of a bridge: bits 31:20 of addresses, each in bits 15:4 of a half.
pub const BRIDGE_MEMORY: u16 = 0x20;
/// Prefetchable Memory Limit and Base of a bridge.
pub const BRIDGE_PREFETCHABLE: u16 = 0x24;
/// Bridge Control, Interrupt Pin and Interrupt Line of a bridge.
pub const BRIDGE_CONTROL: u16 = 0x3c;
/// Bridge Control: resets all functions behind the bridge (PCIe 7.5.1.3.13).
pub const BRIDGE_RESET: u32 = 1 << 22;
/// Cardbus CIS Pointer.
pub const CIS: u16 = 0x28;
/// Expansion ROM Base Address.
pub const ROM: u16 = 0x30;
/// Expansion ROM Base Address of a bridge.
pub const BRIDGE_ROM: u16 = 0x38;
/// Capabilities Pointer, bits 7:0.
pub const CAPABILITIES: u16 = 0x34;
/// Max_Lat, Min_Gnt, Interrupt Pin and Interrupt Line.
pub const INTERRUPT: u16 = 0x3c;
/// One past the last register that PCI has, and where extended capabilities begin.
pub const EXTENDED: u16 = 0x100;

/// Command: the function decodes memory addresses.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// Command: the function masters the bus, for DMA and for MSIs.
pub const COMMAND_MASTER: u32 = 1 << 2;
/// Command: the function does not assert INTx.
pub const COMMAND_INTX_DISABLE: u32 = 1 << 10;
/// Status: there is a list of capabilities.
pub const STATUS_CAPABILITIES: u32 = 1 << 20;

/// Header Type: the layout.
pub const HEADER_LAYOUT: u32 = 0x7f << 16;
/// Header Type: the layout of a bridge.
pub const HEADER_BRIDGE: u32 = 1 << 16;
/// Header Type: the device has several functions.
pub const HEADER_MULTIPLE: u32 = 1 << 23;

/// Base Address Register: I/O space, not memory (PCIe 7.5.1.2.1).
pub const BAR_IO: u32 = 1;
/// Base Address Register: the type.
pub const BAR_TYPE: u32 = 0b11 << 1;
/// Base Address Register: the next register has bits 63:32.
pub const BAR_64: u32 = 0b10 << 1;
/// Base Address Register: the bits of memory that are no address.
pub const BAR_FLAGS: u32 = 0xf;

/// ID of the capability Power Management (PCI Bus Power Management 1.2, 3.2).
pub const POWER_MANAGEMENT: u8 = 0x01;
/// Power Management Control/Status, from the start of Power Management.
pub const POWER_CONTROL: u16 = 0x04;
/// Power Management Control/Status: the power state; 0 is D0.
pub const POWER_STATE: u32 = 0b11;
/// ID of MSI.
pub const MSI: u8 = 0x05;
/// MSI Enable, in the first register of MSI (PCIe 7.7.1.2).
pub const MSI_ENABLE: u32 = 1 << 16;
/// Multiple Message Enable and MSI Enable, which software writes.
pub const MSI_CONTROL: u32 = 0b111 << 20 | MSI_ENABLE;
/// Message Control, as the upper half of the first register: 64-bit Address Capable.
pub const MSI_64: u16 = 1 << 7;
/// Message Control: Per-Vector Masking Capable.
pub const MSI_MASKS: u16 = 1 << 8;
/// ID of vendor-specific capabilities.
pub const VENDOR: u8 = 0x09;
/// ID of the PCI Express capability (PCIe 7.5.3).
pub const EXPRESS: u8 = 0x10;
/// ID of MSI-X.
pub const MSI_X: u8 = 0x11;
/// MSI-X Enable, in the first register of MSI-X (PCIe 7.7.2.2).
pub const MSI_X_ENABLE: u32 = 1 << 31;
/// Function Mask and MSI-X Enable, which software writes.
pub const MSI_X_CONTROL: u32 = 1 << 30 | MSI_X_ENABLE;
/// ID of Advanced Features (ECN "Advanced Capabilities for Conventional PCI").
pub const ADVANCED: u8 = 0x13;

/// Device Capabilities, from the start of the PCI Express capability.
pub const DEVICE_CAPABILITIES: u16 = 0x04;
/// Device Capabilities: Function Level Reset (PCIe 7.5.3.3).
pub const DEVICE_FLR: u32 = 1 << 28;
/// Device Status and Device Control, from the start of the PCI Express capability.
pub const DEVICE_CONTROL: u16 = 0x08;
/// Device Control: initiates a Function Level Reset (PCIe 7.5.3.4).
pub const DEVICE_INITIATE_FLR: u32 = 1 << 15;
/// Device Status: the function waits for completions (PCIe 7.5.3.5).
pub const DEVICE_PENDING: u32 = 1 << 21;

/// AF Capabilities: Function Level Reset, and Transactions Pending, as a register of 32 bits.
pub const ADVANCED_FLR: u32 = 0b11 << 24;
/// AF Status and AF Control, from the start of Advanced Features.
pub const ADVANCED_CONTROL: u16 = 0x04;
/// AF Control: initiates a Function Level Reset.
pub const ADVANCED_INITIATE_FLR: u32 = 1;
/// AF Status: the function waits for completions.
pub const ADVANCED_PENDING: u32 = 1 << 8;
/// ID of Enhanced Allocation (PCIe 7.8.5).
pub const ENHANCED_ALLOCATION: u8 = 0x14;

/// ID of the extended capability Access Control Services (PCIe 7.7.8).
pub const ACS: u16 = 0x000d;
/// ACS Control and ACS Capability, from the start of ACS. The upper half enables what the same bits
/// of the lower half offer.
pub const ACS_CONTROL: u16 = 0x04;
/// ACS Source Validation: a port checks the bus numbers of Requester IDs from below.
pub const ACS_SOURCES: u32 = 1 << 0;
/// ACS P2P Request Redirect, P2P Completion Redirect and Upstream Forwarding: a port sends all that
/// comes from below up.
pub const ACS_UPWARDS: u32 = 0b111 << 2;
/// ID of the extended capability Single Root I/O Virtualization (PCIe 9.3.3).
pub const SR_IOV: u16 = 0x0010;
/// SR-IOV Status and SR-IOV Control, from the start of SR-IOV.
pub const SR_IOV_CONTROL: u16 = 0x08;
/// SR-IOV Control: there are virtual functions, and they decode memory addresses.
pub const SR_IOV_ENABLE: u32 = 1 << 3 | 1 << 0;
