//! Orders of the monitor on their way to the CPUs of a partition, which alone change its state.

use core::sync::atomic::{AtomicU8, Ordering};

use super::lifecycle::{Order, Stage};

/// The order that a partition's CPUs have not carried out, if there is one.
#[derive(Debug, Default)]
pub struct OrderSlot(AtomicU8);

/// The number for no order.
const NONE: u8 = 0;

/// Returns the order with this number.
const fn order(number: u8) -> Option<Order> {
    match number {
        1 => Some(Order::Start),
        2 => Some(Order::Stop),
        3 => Some(Order::Restart),
        _ => None,
    }
}

/// Returns the number of an order.
const fn number(order: Order) -> u8 {
    match order {
        Order::Start => 1,
        Order::Stop => 2,
        Order::Restart => 3,
    }
}

impl OrderSlot {
    /// Adds an order to the one that was not carried out: the later one counts, and to stop and
    /// then to start is to restart.
    pub fn place(&self, order_now: Order) {
        let merge = |pending| {
            Some(number(match (order(pending), order_now) {
                (Some(Order::Stop | Order::Restart), Order::Start) => Order::Restart,
                (_, order) => order,
            }))
        };
        // Only other terminals of the monitor make this fail.
        _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, merge);
    }

    /// Returns the order that was not carried out.
    pub fn pending(&self) -> Option<Order> {
        order(self.0.load(Ordering::Acquire))
    }

    /// Removes an order that was carried out. Returns whether it was still the same: if not,
    /// another one was placed meanwhile.
    pub fn remove(&self, order: Order) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        self.0.compare_exchange(number(order), NONE, success, failure).is_ok()
    }

    /// Returns the stage of a partition to which an order in the slot will lead, if it is in
    /// `stage`.
    pub fn stage(&self, stage: Stage) -> Stage {
        match (self.pending(), stage) {
            (Some(Order::Stop | Order::Restart), Stage::Running) => Stage::Stopping,
            (Some(Order::Start | Order::Restart), Stage::Stopped | Stage::Crashed) => {
                Stage::Building
            }
            _ => stage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_add_up_until_they_are_carried_out() {
        let slot = OrderSlot::default();
        assert_eq!((slot.pending(), slot.stage(Stage::Running)), (None, Stage::Running));
        slot.place(Order::Stop);
        assert_eq!(slot.stage(Stage::Running), Stage::Stopping);
        slot.place(Order::Start);
        assert_eq!((slot.pending(), slot.remove(Order::Stop)), (Some(Order::Restart), false));
        slot.place(Order::Start);
        assert_eq!(slot.pending(), Some(Order::Restart));
        slot.place(Order::Stop);
        assert!(slot.remove(Order::Stop));
        assert_eq!(slot.pending(), None);
        slot.place(Order::Start);
        assert_eq!(slot.stage(Stage::Crashed), Stage::Building);
    }
}
