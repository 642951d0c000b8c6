//! The cost of ringing the doorbell of memory that two partitions share, in which the peer is
//! interrupted.

use runtime::gic;
use runtime::mailbox::Mailbox;
use runtime::tree::{SharedMemory, machine};
use runtime::{cpu, fail};

use crate::figures::measure as row;

/// Returns the memory that the guest shares, and its doorbell.
fn open() -> (SharedMemory, Mailbox) {
    let shared = machine().shared_memory().next();
    match shared.and_then(|it| Some((it, Mailbox::open(it)?))) {
        Some(both) => both,
        None => fail!("there is no shared memory"),
    }
}

/// Lets the doorbell interrupt this guest.
pub fn receive() {
    let (shared, mailbox) = open();
    gic::enable(shared.interrupt);
    mailbox.enable(true);
}

/// Returns whether an interrupt is the doorbell's, which needs no handling.
pub fn take(intid: u32) -> bool {
    machine().shared_memory().any(|it| it.interrupt == intid)
}

/// Measures what ringing the peer takes.
pub fn measure() {
    let (_, mailbox) = open();
    let peer = u32::from(mailbox.port() == 0);
    while !mailbox.is_ready(peer) {
        cpu::relax();
    }
    // The peer has time for the bell before.
    let prepare = || (0..400).for_each(|_| cpu::relax());
    row("doorbell", prepare, || mailbox.ring(peer));
}
