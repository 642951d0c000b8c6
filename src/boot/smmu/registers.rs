//! The registers of an SMMU that Bulkhead uses, by their offsets in bytes (IHI 0070, 6.1 and 6.3),
//! and the values that it writes once.

/// SMMU_IDR0.
pub const IDR0: u64 = 0x00;
/// SMMU_IDR1.
pub const IDR1: u64 = 0x04;
/// SMMU_IDR5.
pub const IDR5: u64 = 0x14;
/// SMMU_CR0: what is enabled.
pub const CR0: u64 = 0x20;
/// SMMU_CR0ACK: what of that has taken effect.
pub const CR0ACK: u64 = 0x24;
/// SMMU_CR1: the attributes of accesses to tables and queues.
pub const CR1: u64 = 0x28;
/// SMMU_CR2.
pub const CR2: u64 = 0x2c;
/// SMMU_GBPA: what becomes of accesses while the SMMU is disabled.
pub const GBPA: u64 = 0x44;
/// SMMU_IRQ_CTRL: the interrupts that are enabled.
pub const IRQ_CTRL: u64 = 0x50;
/// SMMU_IRQ_CTRLACK.
pub const IRQ_CTRLACK: u64 = 0x54;
/// SMMU_GERROR: a bit that differs from SMMU_GERRORN is an error.
pub const GERROR: u64 = 0x60;
/// SMMU_GERRORN: the errors that are acknowledged.
pub const GERRORN: u64 = 0x64;
/// SMMU_STRTAB_BASE, 64 bits.
pub const STRTAB_BASE: u64 = 0x80;
/// SMMU_STRTAB_BASE_CFG.
pub const STRTAB_BASE_CFG: u64 = 0x88;
/// SMMU_CMDQ_BASE, 64 bits.
pub const CMDQ_BASE: u64 = 0x90;
/// SMMU_CMDQ_PROD.
pub const CMDQ_PROD: u64 = 0x98;
/// SMMU_CMDQ_CONS.
pub const CMDQ_CONS: u64 = 0x9c;
/// SMMU_EVENTQ_BASE, 64 bits.
pub const EVENTQ_BASE: u64 = 0xa0;
/// SMMU_EVENTQ_PROD, in page 1.
pub const EVENTQ_PROD: u64 = 0x1_00a8;
/// SMMU_EVENTQ_CONS, in page 1.
pub const EVENTQ_CONS: u64 = 0x1_00ac;

/// SMMU_GBPA.Update: set by software with the other fields, cleared by the SMMU when they have
/// taken effect.
pub const GBPA_UPDATE: u32 = 1 << 31;
/// SMMU_GBPA.ABORT: accesses are aborted.
pub const GBPA_ABORT: u32 = 1 << 20;

/// SMMU_CR0.SMMUEN: accesses are translated.
pub const CR0_SMMUEN: u32 = 1;
/// SMMU_CR0.EVENTQEN: events are recorded.
pub const CR0_EVENTQEN: u32 = 1 << 2;
/// SMMU_CR0.CMDQEN: commands are consumed.
pub const CR0_CMDQEN: u32 = 1 << 3;
/// SMMU_CR0.ATSCHK: accesses of which a device says that their addresses are translated already
/// (ATS) are checked against EATS of its entry, which forbids them. Otherwise they pass by the
/// SMMU.
pub const CR0_ATSCHK: u32 = 1 << 4;

/// SMMU_CR2.PTM: TLB maintenance that CPUs broadcast has no effect here. Bulkhead does not rely on
/// it anywhere, and RECINVSID = 0 leaves the accesses of streams that the table lacks unrecorded.
pub const CR2_VALUE: u32 = 1 << 2;

/// SMMU_IRQ_CTRL with GERROR_IRQEN and EVENTQ_IRQEN.
pub const IRQ_CTRL_VALUE: u32 = 1 | 1 << 2;

/// SMMU_GERROR.CMDQ_ERR: the command at SMMU_CMDQ_CONS cannot be executed.
pub const GERROR_CMDQ: u32 = 1;

/// The hint to allocate in caches, in the base registers of queues and tables.
pub const ALLOCATE: u64 = 1 << 62;

/// Returns SMMU_CR1: whether tables and queues are cached memory, inner shareable, or not cached.
pub const fn cr1(is_coherent: bool) -> u32 {
    // QUEUE_IC, QUEUE_OC, QUEUE_SH, and the same for tables from bit 6 on. SH is ignored for memory
    // that is not cached.
    const CACHED: u32 = 0b01 | 0b01 << 2 | 0b11 << 4;
    if is_coherent { CACHED | CACHED << 6 } else { 0 }
}
