//! Watchdogs that firmware may have left running.

use super::*;

fn watchdog(root: &mut Writer, compatible: &str, start: u32, clocks: &[u32]) {
    node(root, "watchdog@9100000", |watchdog| {
        watchdog.property_str("compatible", compatible);
        watchdog.property_cells("reg", &[0, start, 0, 0x1000]);
        if !clocks.is_empty() {
            watchdog.property_cells("clocks", clocks);
        }
    });
    node(root, "fixed", |clock| {
        clock.property_str("compatible", "fixed-clock");
        clock.property_u32("phandle", 20);
    });
    node(root, "gates", |clock| clock.property_u32("phandle", 21));
}

fn found(more: fn(&mut Writer)) -> Vec<BoardWatchdog> {
    Board { more, ..BOARD }.read().unwrap().watchdogs
}

#[test]
fn a_watchdog_that_runs_is_a_remark() {
    let remark = |more, value| found(more)[0].remark(value);
    let sp805 = |root: &mut Writer| watchdog(root, "arm,sp805", 0x910_0000, &[20, 20]);
    assert_eq!(found(sp805)[0].register, region(0x910_0008, 4));
    assert_eq!(
        remark(sp805, 3).unwrap(),
        "/watchdog@9100000 runs and will reset the machine: have the boot loader stop it, or give \
         it to a partition that serves it"
    );
    assert_eq!(remark(sp805, 2), None, "it may reset, but does not count");
    let generic = |root: &mut Writer| watchdog(root, "arm,sbsa-gwdt", 0x910_0000, &[]);
    assert!(remark(generic, 1).is_some() && remark(generic, 6).is_none());
    let pm = |root: &mut Writer| watchdog(root, "brcm,bcm2835-pm", 0x910_0000, &[21]);
    assert_eq!(found(pm)[0].register, region(0x910_001c, 4));
    assert!(remark(pm, 0x120).is_some() && remark(pm, 0x102).is_none());
    assert!(remark(pm, 0x130).is_none());
    let design_ware = |root: &mut Writer| watchdog(root, "snps,dw-wdt", 0x910_0000, &[20]);
    assert!(remark(design_ware, 0x11).is_some() && remark(design_ware, 0x10).is_none());
}

#[test]
fn a_watchdog_is_left_alone_if_reading_it_could_hang() {
    let gated = |root: &mut Writer| watchdog(root, "snps,dw-wdt", 0x910_0000, &[20, 21]);
    let unaligned = |root: &mut Writer| watchdog(root, "arm,sp805", 0x910_0001, &[]);
    let in_memory = |root: &mut Writer| watchdog(root, "arm,sp805", 0x4000_0000, &[]);
    for more in [gated, unaligned, in_memory] {
        assert_eq!(found(more), []);
    }
    let off = |root: &mut Writer| {
        node(root, "watchdog@9100000", |watchdog| {
            watchdog.property_str("compatible", "arm,sp805");
            watchdog.property_str("status", "disabled");
            watchdog.property_cells("reg", &[0, 0x910_0000, 0, 0x1000]);
        });
    };
    assert_eq!(found(off), []);
}
