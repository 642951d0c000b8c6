//! Register offsets of the distributor which, for private interrupts on GICv3, are those of the SGI
//! frame of a redistributor too.

/// The initial priority of every interrupt.
pub const PRIORITY: u8 = 0xa0;

/// GICD_CTLR
pub const CTLR: u64 = 0x000;
/// GICD_TYPER
pub const TYPER: u64 = 0x004;
/// GICD_IGROUPR
pub const IGROUPR: u64 = 0x080;
/// GICD_ISENABLER
pub const ISENABLER: u64 = 0x100;
/// GICD_ICENABLER
pub const ICENABLER: u64 = 0x180;
/// GICD_ISPENDR
pub const ISPENDR: u64 = 0x200;
/// GICD_ICPENDR
pub const ICPENDR: u64 = 0x280;
/// GICD_ISACTIVER
pub const ISACTIVER: u64 = 0x300;
/// GICD_ICACTIVER
pub const ICACTIVER: u64 = 0x380;
/// GICD_IPRIORITYR
pub const IPRIORITYR: u64 = 0x400;
/// GICD_ITARGETSR
pub const ITARGETSR: u64 = 0x800;
/// GICD_ICFGR
pub const ICFGR: u64 = 0xc00;
/// GICD_SGIR, on GICv2 only
pub const SGIR: u64 = 0xf00;
