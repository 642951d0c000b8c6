//! What the monitor shows of links, which it reads without a lock.

use bulkhead::operator::monitor::{PortState, PortStatus};
use bulkhead::virtio::link::Counters;

use super::link::Links;
use crate::el2::partition::LinkReports;

impl LinkReports for Links {
    fn port(&self, link: usize, port: usize) -> Option<PortStatus<'_>> {
        let link = self.0.get(link)?;
        let shared = link.ports.get(port)?;
        let state = if shared.signals.needs_reset() {
            PortState::Faulty
        } else if !link.is_ready(port as u8) {
            PortState::Absent
        } else if shared.signals.is_link_up() {
            PortState::Up
        } else {
            PortState::Down
        };
        let Counters { packets, bytes, drops } = shared.counters.read();
        Some(PortStatus {
            link: &link.name,
            kind: link.kind.name(),
            partition: shared.partition.get()?.name(),
            is_last: port + 1 >= link.ports.len(),
            state,
            packets,
            bytes,
            drops,
        })
    }
}
