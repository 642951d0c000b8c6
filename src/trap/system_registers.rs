//! The answers to accesses to system registers that trap to EL2.

use crate::arch::system_registers::{Encoding, IdRegisters};
use crate::vgic::{CpuInterfaceRegister, SgiRegister};

/// The answer to a trapped access. After all but [`Answer::Undefined`] the guest continues after
/// the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A read has this value.
    ReadAs(u64),
    /// A write, or a system instruction, has no effect.
    Ignore,
    /// Cache maintenance by set and way: see [`set_way`](super::set_way).
    SetWay,
    /// The register does not exist: inject an UNDEFINED exception, unless the write is one that
    /// [`set_way`](super::set_way) watches.
    Undefined,
    /// The value written sends an SGI.
    SendSgi(SgiRegister),
    /// The access is to a common register of the GIC's CPU interface.
    CpuInterface(CpuInterfaceRegister),
}

const ACTLR_EL1: Encoding = Encoding::new(3, 0, 1, 0, 1);
const MDRAR_EL1: Encoding = Encoding::new(2, 0, 1, 0, 0);
const OSLAR_EL1: Encoding = Encoding::new(2, 0, 1, 0, 4);
const OSLSR_EL1: Encoding = Encoding::new(2, 0, 1, 1, 4);
const OSDLR_EL1: Encoding = Encoding::new(2, 0, 1, 3, 4);
const DBGPRCR_EL1: Encoding = Encoding::new(2, 0, 1, 4, 4);
/// OSLSR_EL1.OSLM: there is an OS Lock. OSLK is clear: it is not locked.
const OS_LOCK_UNLOCKED: u64 = 1 << 3;
const ICC_PMR_EL1: Encoding = Encoding::new(3, 0, 4, 6, 0);
const ICC_CTLR_EL1: Encoding = Encoding::new(3, 0, 12, 12, 4);
const ICC_DIR_EL1: Encoding = Encoding::new(3, 0, 12, 11, 1);
const ICC_RPR_EL1: Encoding = Encoding::new(3, 0, 12, 11, 3);
/// The register that sends an SGI of Group 1.
pub const ICC_SGI1R_EL1: Encoding = Encoding::new(3, 0, 12, 11, 5);
const ICC_ASGI1R_EL1: Encoding = Encoding::new(3, 0, 12, 11, 6);
const ICC_SGI0R_EL1: Encoding = Encoding::new(3, 0, 12, 11, 7);

/// Returns the answer to an access that a control register of EL2 traps; `id` is what the guest
/// sees of the CPU ([`IdRegisters::for_guest`]).
///
/// The OS Lock is never locked for a guest, whatever it writes; see `boot::el2_registers`.
///
/// UNDEFINED are the registers of features that are hidden from guests: RAS error records,
/// LORegions, activity monitors, MPAM, trace, SPE, TRBE, BRBE. So are IMPLEMENTATION DEFINED
/// registers (HCR_EL2.TIDCP), most of which act on a cluster or on memory.
pub fn trapped(encoding: Encoding, write: bool, id: &IdRegisters) -> Answer {
    if let (false, Some(value)) = (write, id.get(encoding)) {
        return Answer::ReadAs(value);
    }
    match (encoding, write) {
        (OSLSR_EL1, false) => Answer::ReadAs(OS_LOCK_UNLOCKED),
        (ACTLR_EL1 | OSDLR_EL1 | DBGPRCR_EL1 | MDRAR_EL1, false) => Answer::ReadAs(0),
        (ACTLR_EL1 | OSDLR_EL1 | DBGPRCR_EL1 | OSLAR_EL1, true) => Answer::Ignore,
        (ICC_SGI1R_EL1, true) => Answer::SendSgi(SgiRegister::Sgi1),
        (ICC_ASGI1R_EL1, true) => Answer::SendSgi(SgiRegister::Asgi1),
        (ICC_SGI0R_EL1, true) => Answer::SendSgi(SgiRegister::Sgi0),
        (ICC_PMR_EL1, _) => Answer::CpuInterface(CpuInterfaceRegister::PriorityMask),
        (ICC_CTLR_EL1, _) => Answer::CpuInterface(CpuInterfaceRegister::Control),
        (ICC_RPR_EL1, false) => Answer::CpuInterface(CpuInterfaceRegister::RunningPriority),
        (ICC_DIR_EL1, true) => Answer::CpuInterface(CpuInterfaceRegister::Deactivate),
        (_, true) if is_set_way(encoding) => Answer::SetWay,
        _ => Answer::Undefined,
    }
}

/// Whether this is cache maintenance by set and way: DC ISW, CSW, CISW and their variants for
/// allocation tags.
fn is_set_way(encoding: Encoding) -> bool {
    const FAMILY: Encoding = Encoding::new(1, 0, 7, 0, 0);
    let (crm, op2) = (encoding.number() >> 3 & 15, encoding.number() & 7);
    encoding.number() >> 7 == FAMILY.number() >> 7
        && matches!(crm, 6 | 10 | 14)
        && matches!(op2, 2 | 4 | 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID_AA64PFR0_EL1: Encoding = Encoding::new(3, 0, 0, 4, 0);

    #[test]
    fn documented_answers() {
        let id = IdRegisters::read(|_| 5);
        let actlr = Encoding::new(3, 0, 1, 0, 1);
        let debug = |crm, op2| Encoding::new(2, 0, 1, crm, op2);
        let sgi = |op2| Encoding::new(3, 0, 12, 11, op2);
        let set_way = |crm, op2| Encoding::new(1, 0, 7, crm, op2);
        for (encoding, write, answer) in [
            (ID_AA64PFR0_EL1, false, Answer::ReadAs(5)),
            (ID_AA64PFR0_EL1, true, Answer::Undefined),
            (actlr, false, Answer::ReadAs(0)),
            (actlr, true, Answer::Ignore),
            // MDRAR_EL1, OSLAR_EL1, OSLSR_EL1 without OSLK, OSDLR_EL1, DBGPRCR_EL1.
            (debug(0, 0), false, Answer::ReadAs(0)),
            (debug(0, 0), true, Answer::Undefined),
            (debug(0, 4), true, Answer::Ignore),
            (debug(0, 4), false, Answer::Undefined),
            (debug(1, 4), false, Answer::ReadAs(0b1000)),
            (debug(1, 4), true, Answer::Undefined),
            (debug(3, 4), false, Answer::ReadAs(0)),
            (debug(3, 4), true, Answer::Ignore),
            (debug(4, 4), false, Answer::ReadAs(0)),
            (debug(4, 4), true, Answer::Ignore),
            (sgi(5), true, Answer::SendSgi(SgiRegister::Sgi1)),
            (sgi(6), true, Answer::SendSgi(SgiRegister::Asgi1)),
            (sgi(7), true, Answer::SendSgi(SgiRegister::Sgi0)),
            (sgi(5), false, Answer::Undefined),
            (sgi(1), true, Answer::CpuInterface(CpuInterfaceRegister::Deactivate)),
            (sgi(1), false, Answer::Undefined),
            (sgi(3), false, Answer::CpuInterface(CpuInterfaceRegister::RunningPriority)),
            (sgi(3), true, Answer::Undefined),
            // DC ISW, CSW, CISW; DC CIGDSW; DC IVAC is by address.
            (set_way(6, 2), true, Answer::SetWay),
            (set_way(10, 2), true, Answer::SetWay),
            (set_way(14, 2), true, Answer::SetWay),
            (set_way(14, 6), true, Answer::SetWay),
            (set_way(6, 1), true, Answer::Undefined),
            // ERRIDR_EL1, LORID_EL1, AMCR_EL0, TRCIDR0, PMSIDR_EL1, CPUECTLR_EL1 of a Cortex-A53.
            (Encoding::new(3, 0, 5, 3, 0), false, Answer::Undefined),
            (Encoding::new(3, 0, 10, 4, 7), false, Answer::Undefined),
            (Encoding::new(3, 3, 13, 2, 0), false, Answer::Undefined),
            (Encoding::new(2, 1, 0, 8, 7), false, Answer::Undefined),
            (Encoding::new(3, 0, 9, 9, 7), false, Answer::Undefined),
            (Encoding::new(3, 1, 15, 2, 1), true, Answer::Undefined),
        ] {
            assert_eq!(trapped(encoding, write, &id), answer, "{encoding:?} {write}");
        }
    }
}
