//! Loads and stores with writeback and of pairs, at registers of every device: each must do what the
//! same plain accesses do, one after the other, and change its base register as it says.
//!
//! All checks must also pass on a bare machine, but for those at the end: there a hypervisor may
//! inject an External abort.

#![no_std]
#![no_main]

mod changing;
mod instructions;
mod plain;
mod sites;

use core::sync::atomic::{AtomicU32, Ordering};

use runtime::exceptions::attempt;
use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{fail, println, write_register};

use instructions::{FORMS, Form, NOT_EMULATED};
use sites::Site;

runtime::guest!(main, interrupt);

/// What a store leaves that must be overwritten, and the two values of the registers.
const BEFORE: [u64; 2] = [0x2222_2222_2222_2222; 2];
const VALUES: [u64; 2] = [0x8141_c121_a161_e111, 0x9151_d131_b171_f109];
/// ESR_EL1.EC of a data abort from EL1, and DFSC of a synchronous External abort.
const DATA_ABORT: u64 = 0x25;
const EXTERNAL: u64 = 0x10;

static CHECKS: AtomicU32 = AtomicU32::new(0);

fn main() {
    for site in sites::all() {
        for form in &FORMS {
            // A stack pointer as a base must be a multiple of 16.
            if form.base_is_sp() && !site.base_of(form).is_multiple_of(16) {
                continue;
            }
            if form.is_store {
                if site.is_stored {
                    check_store(&site, form);
                }
            } else {
                check_load(&site, form);
            }
        }
    }
    if machine().partition.is_some() {
        // CPACR_EL1.FPEN: vector registers do not trap.
        write_register!("cpacr_el1", 0b11 << 20);
        for (text, function) in NOT_EMULATED {
            // SAFETY: the site's register may be read and written; the function has nothing to drop.
            let result = unsafe { attempt(function, machine().uart + sites::IDENTIFICATION, 0) };
            let fault = result.map_err(|fault| (fault.class(), fault.status(), fault.far & 0xff0));
            if fault != Err((DATA_ABORT, EXTERNAL, sites::IDENTIFICATION)) {
                fail!("{text}: {fault:x?}");
            }
            passed();
        }
        changing::check();
    }
    println!("forms: done, {} checks", CHECKS.load(Ordering::Relaxed));
}

fn passed() {
    CHECKS.fetch_add(1, Ordering::Relaxed);
}

fn interrupt(interrupt: Interrupt) {
    fail!("unexpected interrupt {}", interrupt.intid);
}

/// Checks that a form loads what plain loads do.
fn check_load(site: &Site, form: &Form) {
    let [first, second] = [0, form.size].map(|offset| {
        let value = plain::load(site.address + offset, form.size);
        plain::extended(value, form.size, form.sign)
    });
    let expected = [first, if form.is_pair { second } else { VALUES[1] }];
    let base = site.base_of(form);
    // SAFETY: the site's registers may be read.
    let found = unsafe { form.run(base, VALUES) };
    expect(site, form, found, (expected, base));
}

/// Checks that a form stores what plain stores do.
fn check_store(site: &Site, form: &Form) {
    let addresses = [site.address, site.address + form.size];
    let used = &addresses[..1 + usize::from(form.is_pair)];
    let clear = || {
        used.iter()
            .zip(BEFORE)
            .for_each(|(address, value)| plain::store(*address, form.size, value));
    };
    let all = || addresses.map(|address| plain::load(address, form.size));
    clear();
    used.iter().zip(VALUES).for_each(|(address, value)| plain::store(*address, form.size, value));
    let expected = all();
    clear();
    let base = site.base_of(form);
    // SAFETY: the site's registers may be written.
    let found = unsafe { form.run(base, VALUES) };
    let stored = all();
    if stored != expected {
        fail!("{} at {}: stored {stored:x?}, not {expected:x?}", form.text, site.name);
    }
    expect(site, form, found, (VALUES, base));
}

/// Checks the values of the registers and of the base after a form.
fn expect(site: &Site, form: &Form, found: ([u64; 2], u64), (values, base): ([u64; 2], u64)) {
    let expected = (values, base.wrapping_add(form.after as u64));
    if found != expected {
        fail!("{} at {}: {found:x?}, not {expected:x?}", form.text, site.name);
    }
    passed();
}
