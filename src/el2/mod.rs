//! The only room with `unsafe` and assembly: what touches the hardware.

pub mod cache;
pub mod console;
pub mod cpu;
pub mod entry;
pub mod exit;
pub mod firmware;
pub mod heap;
pub mod image;
pub mod mmio;
pub mod mmu;
pub mod panic;
mod registers;
pub mod timer;
mod uart;
pub mod vectors;
pub mod trap { use super::vectors::Frame; pub extern "C" fn synchronous(f:&mut Frame){} pub extern "C" fn interrupt(f:&mut Frame){} pub extern "C" fn serror(f:&mut Frame){} }
pub mod partition { pub struct Vcpu; }
