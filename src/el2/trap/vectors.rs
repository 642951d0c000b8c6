//! The exception vectors, and the functions that they call.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{VBAR_EL2, Writeable};
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::arch::esr;
use bulkhead::devices::address_map::{CONSOLE, VIRTIO};
use bulkhead::devices::pl011;
use bulkhead::devices::planned::{MAX_LINKS, MAX_VIRTIO_DEVICES};
use bulkhead::operator::console::Buffer;
use bulkhead::virtio::{registers, signals};
use core::arch::global_asm;
use core::mem::offset_of;

use super::proceed::{self, proceed};
use super::{fast, mmio, panic, sync, undescribed};
use crate::el2::arch::frame::TrapFrame;
use crate::el2::arch::image::EMERGENCY_STACK;
use crate::el2::cpu;
use crate::el2::partition::{DeviceHead, Partition};
use crate::el2::vcpu::{self, Flow, Vcpu, resident};

global_asm!(
    include_str!("vectors.s"),
    include_str!("links.s"),
    call = sym call,
    system_register = sym system_register,
    data_abort = sym data_abort,
    console_abort = sym console_abort,
    undescribed_abort = sym undescribed_abort,
    interrupt = sym interrupt,
    fast_interrupt = sym fast_interrupt,
    serror = sym serror,
    fault = sym panic::fault,
    hvc_0 = const esr::HVC_0,
    stack_top = const cpu::STACK_TOP,
    workaround = const cpu::WORKAROUND,
    console = const esr::hpfar(CONSOLE),
    flags = const pl011::FR,
    running = const resident::RUNNING,
    partition = const vcpu::PARTITION,
    console_exits = const vcpu::CONSOLE_EXITS,
    uart_flags = const Partition::UART_FLAGS,
    output = const vcpu::OUTPUT,
    devices = const esr::hpfar(VIRTIO) >> 8,
    link_devices = const vcpu::LINK_DEVICES,
    link_exits = const vcpu::LINK_EXITS,
    interrupts = const signals::INTERRUPTS,
    interrupt_status = const registers::INTERRUPT_STATUS,
    interrupt_ack = const registers::INTERRUPT_ACK,
    queue_notify = const registers::QUEUE_NOTIFY,
    notify = sym notify,
    output_bytes = const Buffer::BYTES_AT,
    output_mask = const Buffer::BYTES - 1,
    emergency_stack = const EMERGENCY_STACK,
);

unsafe extern "C" {
    static vectors: u8;
}

/// Sets this CPU's VBAR_EL2 to the vectors.
pub fn install() {
    VBAR_EL2.set(core::ptr::addr_of!(vectors) as u64);
    barrier::isb(barrier::SY);
}

/// Handles an HVC, or another exception whose class has bit 1 of ESR_EL2.EC set.
extern "C" fn call(frame: &mut TrapFrame, esr: u64) {
    fast::call(this_vcpu(), frame, esr);
}

/// Handles a trapped MSR, MRS or system instruction, or another exception whose class has bits 1
/// and 5 of ESR_EL2.EC clear.
extern "C" fn system_register(frame: &mut TrapFrame, esr: u64) {
    fast::system_register(this_vcpu(), frame, esr);
}

/// Handles what `data_abort` does if HPFAR_EL2 has the page of the console's PL011.
extern "C" fn console_abort(frame: &mut TrapFrame, esr: u64) {
    mmio::console_abort(this_vcpu(), frame, esr);
}

/// Handles a store of a word to QueueNotify of a virtio device.
extern "C" fn notify(frame: &TrapFrame, esr: u64, device: &DeviceHead) {
    match mmio::notified(this_vcpu(), frame, esr, device) {
        Some(queue) => queue.notify(),
        None => run_console(),
    }
}

/// Runs the virtio console of the vCPU whose guest caused this exit.
// It has no parameter, which the way of other notifications would have to keep.
#[inline(never)]
fn run_console() {
    this_vcpu().run_console();
}

// As links.s has them.
const _: () = assert!(VIRTIO.is_aligned(MAX_VIRTIO_DEVICES as u64 * PAGE_SIZE));
const _: () = assert!(MAX_VIRTIO_DEVICES == 16 && MAX_LINKS <= MAX_VIRTIO_DEVICES);
const _: () = assert!(offset_of!(DeviceHead, signals) == 0);

/// Handles a data abort, or another exception whose class has bit 5 of ESR_EL2.EC set and bit 1
/// clear, with bit 24 of ESR_EL2 (ISS.ISV) set.
extern "C" fn data_abort(frame: &mut TrapFrame, esr: u64) {
    mmio::data_abort(this_vcpu(), frame, esr);
}

/// Handles an abort whose syndrome does not describe the instruction, or another exception whose
/// class has bit 5 of ESR_EL2.EC set and bit 1 clear, with bit 24 of ESR_EL2 clear.
extern "C" fn undescribed_abort(frame: &mut TrapFrame, esr: u64) {
    undescribed::abort(frame, esr, this_vcpu());
}

/// Handles an IRQ.
extern "C" fn interrupt() {
    if let Some(interrupt) = vcpu::take(this_vcpu()) {
        proceed::handle_interrupt(interrupt);
    }
}

/// Handles an FIQ.
extern "C" fn fast_interrupt() {
    proceed(vcpu::take_own().unwrap_or(Flow::Resume));
}

/// Handles an SError.
extern "C" fn serror() {
    proceed(sync::serror(this_vcpu()));
}

/// Returns the vCPU whose guest caused this exit.
#[inline(always)]
fn this_vcpu() -> &'static Vcpu {
    // SAFETY: `vectors.s` calls the functions of this file only for exceptions from a lower
    // Exception level, where this CPU runs only guests that `Vcpu::enter` entered.
    unsafe { resident::running() }
}
