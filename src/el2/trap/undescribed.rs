//! Carries out a guest's loads and stores to emulated devices that the syndrome does not describe:
//! decodes the instruction, which is read as the guest could read it.

use aarch64_cpu::registers::{
    ELR_EL2, FAR_EL2, HPFAR_EL2, Readable, SP_EL0, SP_EL1, SPSR_EL2, Writeable,
};
use bulkhead::arch::addr::Ipa;
use bulkhead::devices::planned::DeviceKind;
use bulkhead::trap::undescribed::{self, Transfer};

use super::{mmio, proceed};
use crate::el2::arch::frame::TrapFrame;
use crate::el2::mm::guest_code::{self, Unreadable};
use crate::el2::vcpu::Vcpu;

/// SPSR_EL2.M[4]: the guest was in AArch32 state.
const AARCH32: u64 = 1 << 4;
/// SPSR_EL2.M[3:2]: its exception level.
const LEVEL: u64 = 0b11 << 2;
/// SPSR_EL2.M[0]: it used SP_EL1.
const USES_SP_EL1: u64 = 1;

/// Handles an abort whose syndrome has ISV = 0, or another exception that the vectors pass here.
/// The frame has all registers, and all are loaded from it afterwards.
#[inline(never)]
pub fn abort(frame: &mut TrapFrame, esr: u64, vcpu: &Vcpu) {
    let (far, spsr) = (FAR_EL2.get(), SPSR_EL2.get());
    let ipa = undescribed::ipa(esr, far, HPFAR_EL2.get()).filter(|_| spsr & AARCH32 == 0);
    let Some((device, offset)) = ipa.and_then(|ipa: Ipa| vcpu.partition.emulated_device(ipa))
    else {
        return proceed::other(frame, esr, vcpu);
    };
    let memory = &vcpu.partition.memory;
    let transfer = match guest_code::read(memory, ELR_EL2.get(), spsr & LEVEL == 0) {
        Ok(instruction) => Transfer::decode(instruction),
        Err(Unreadable::ForNow) => return,
        Err(Unreadable::ByGuest) => None,
    };
    let Some(transfer) = &transfer else { return proceed::other(frame, esr, vcpu) };
    let uses_sp_el1 = spsr & USES_SP_EL1 != 0;
    let base = match transfer.base {
        31 if uses_sp_el1 => SP_EL1.get(),
        31 => SP_EL0.get(),
        number => frame.register(number),
    };
    if !transfer.has_caused(esr, far, base) || !transfer.can_be_at(offset) {
        return proceed::other(frame, esr, vcpu);
    }
    mmio::accept(vcpu, device);
    carry_out(vcpu, frame, transfer, (device, offset));
    let base = base.wrapping_add(transfer.writeback);
    match transfer.base {
        _ if transfer.writeback == 0 => {}
        31 if uses_sp_el1 => SP_EL1.set(base),
        31 => SP_EL0.set(base),
        number => frame.set_register(number, base),
    }
}

/// Carries out the accesses of a transfer at an offset of a device.
#[inline(always)]
fn carry_out(
    vcpu: &Vcpu,
    frame: &mut TrapFrame,
    transfer: &Transfer,
    (device, mut offset): (DeviceKind, u64),
) {
    for access in transfer.accesses() {
        if access.is_write() {
            let value = access.stored(frame.register(access.register()));
            mmio::store(vcpu, device, offset, access.size(), value);
        } else {
            mmio::load(frame, access, vcpu, device, offset);
        }
        offset = offset.wrapping_add(access.size());
    }
}
