//! What only ends of socket links do.

use bulkhead::virtio::link::send_reset_event;
use bulkhead::virtio::personality::EVENT;
use bulkhead::virtio::queue::Queue;

use core::sync::atomic::Ordering;

use super::memory::OpenMemory;
use super::port_state::State;
use super::shared_port::SharedPort;
use crate::el2::arch::sync::Mutex;
use crate::el2::cpu::LINKS;
use crate::el2::drivers::gic::Gic;

/// What is different for a link that connects sockets. Functions, because their code is unmapped if
/// the description has no such link.
pub struct SocketLink {
    /// Has the other ports of a link tell their drivers that the driver of the one with this number
    /// was reset.
    pub reset: fn(&[SharedPort], u8, &Gic),
    /// Tells the driver of a port if a peer was reset, so that its connections are gone.
    pub poll: fn(&Mutex<State>, &SharedPort),
}

impl SocketLink {
    /// The functions.
    pub const NEW: Self = Self { reset, poll };
}

/// See [`SocketLink::reset`].
fn reset(ports: &[SharedPort], port: u8, gic: &Gic) {
    for (_, other) in (0..).zip(ports).filter(|(number, _)| *number != port) {
        other.lost_peer.store(true, Ordering::Release);
        if let Some(seat) = other.partition.get().and_then(|it| it.seats.first()) {
            seat.wake.request(LINKS);
            seat.kick(gic);
        }
    }
}

/// See [`SocketLink::poll`].
fn poll(state: &Mutex<State>, shared: &SharedPort) {
    if !shared.lost_peer.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut state = state.lock();
    let State { registers, events } = &mut *state;
    let Some(partition) = shared.partition.get().filter(|_| registers.is_ready()) else {
        return;
    };
    let memory = OpenMemory::open(&partition.memory);
    if events.is_none() {
        // A driver without such a queue has its connections until it finds out by itself.
        _ = Queue::set_up(
            events,
            &registers.queues()[usize::from(EVENT)],
            registers.features(),
            &*memory,
        );
    }
    let Some(events) = events else { return };
    let must_interrupt = match send_reset_event(events, &*memory) {
        Ok(must_signal) => must_signal && shared.signals.report_used(),
        Err(_) => shared.signals.report_fault(),
    };
    if must_interrupt {
        shared.interrupt();
    }
}
