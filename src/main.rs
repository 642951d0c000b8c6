#![no_std]
#![no_main]
#![allow(dead_code, unused, missing_docs)]
extern crate alloc;
mod el2;
use bulkhead::addr::*;
use el2::mmu::Level;
fn main(level: Level, tree: Pa) -> ! {
    el2::heap::init();
    el2::cpu::enter(0, 0);
    el2::vectors::install();
    let c = bulkhead::machine::Console{path: alloc::string::String::new(), kind: bulkhead::machine::ConsoleKind::Pl011, registers: Region::new(Pa::new(0x09000000), 0x1000).unwrap(), interrupt: None};
    el2::console::init(&c);
    el2::console::emergency_write("hello\n");
    log::info!("level {level:?} tree {tree} image {}", el2::image::whole());
    if option_env!("CRASH").is_some() { let p = 0x7000_0000 as *const u32; unsafe { p.read_volatile(); } }
    fn recurse(n: u64) -> u64 { if n == 0 { 0 } else { let a=[n; 100]; core::hint::black_box(&a); recurse(n+1) + a[3] } }
    if option_env!("OVER").is_some() { recurse(1); }
    panic!("test");
}
fn secondary_main(i: usize) -> ! { loop {} }
