//! What the notifications of a device's queues concern.

use super::lane::SharedLane;
use super::link::Link;
use crate::el2::partition::NotifiedQueue;

/// What a notification of a queue concerns.
pub struct Concern {
    pub link: &'static Link,
    pub lane: &'static SharedLane,
    /// The senders, one bit each.
    pub senders: u64,
}

impl NotifiedQueue for Concern {
    fn notify(&self) {
        self.link.attend(self.lane, self.senders);
    }
}
