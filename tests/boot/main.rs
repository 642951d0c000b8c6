//! Boots Bulkhead with guests on QEMU and checks what they print, and QEMU's exit status.
//!
//! All boots are in one test program, so that they share the CPUs of the host. They need the files
//! that `make image guests guests-linux` makes, and fail with a message where one is missing.

mod ast2700;
mod attack;
mod audit;
mod bench;
mod boards;
mod caches;
mod console;
mod copies;
mod cores;
mod disks;
mod disturb;
mod dma;
mod drivers;
mod entropy;
mod entry;
mod firmware;
mod forms;
mod function_attacks;
mod functions;
mod guests;
mod isolation;
mod links;
mod linux;
mod locks;
mod messages;
mod monitor;
mod mutations;
mod nbd;
mod panic;
mod parallel;
mod raspberry_pi;
mod refusals;
mod restart;
mod scale;
mod shared_memory;
mod shared_registers;
mod sleep;
mod stays;
mod terminal;
mod u_boot;
mod virtio_disks;
mod watchdog;
mod wings;
mod xen;
mod zcu102;
