//! A partition's watchdog: the device, and EL2's timer that waits for it.

use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::address_map::WATCHDOG_FRAME_SIZE;
use bulkhead::devices::planned::DeviceKind;
use bulkhead::devices::watchdog::{Frame, Watchdog};
use bulkhead::partition::lifecycle::{End, Stage};
use bulkhead::util::deadlines::User;

use super::Vcpu;
use crate::el2::cpu::timer;
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::State;

/// A partition's watchdog.
pub struct Guard {
    watchdog: Watchdog,
    /// Its interrupt.
    intid: Intid,
    /// The level of its interrupt that the vGIC was last told.
    line: bool,
    /// The vCPU that fed it last, whose CPU's timer waits for the deadline. What the timers of
    /// other CPUs still wait for is called off when it comes.
    timer: usize,
}

impl Guard {
    /// The watchdog of a partition that starts, if it has one. Its counter is the guest's virtual
    /// one, with which a driver compares it, and which starts with the partition.
    pub fn new(plan: &PartitionPlan) -> Option<Self> {
        plan.devices.iter().find_map(|device| match (device.kind, device.intid) {
            (DeviceKind::Watchdog { milliseconds }, Some(intid)) => {
                let ticks = timer::milliseconds(milliseconds.into());
                Some(Self { watchdog: Watchdog::new(0, ticks), intid, line: false, timer: 0 })
            }
            _ => None,
        })
    }
}

/// Splits an offset into the watchdog's registers into the frame and the offset there.
fn frame_of(offset: u64) -> (Frame, u64) {
    match offset.checked_sub(WATCHDOG_FRAME_SIZE) {
        Some(offset) => (Frame::Refresh, offset),
        None => (Frame::Control, offset),
    }
}

impl Vcpu {
    /// A load from the watchdog.
    pub fn watchdog_read(&self, offset: u64) -> u64 {
        let (frame, offset) = frame_of(offset);
        let mut value = 0;
        self.watchdog(&mut |guard, now| value = guard.watchdog.read(frame, offset, now));
        value.into()
    }

    /// A store to the watchdog.
    pub fn watchdog_write(&self, offset: u64, value: u64) {
        let (frame, offset) = frame_of(offset);
        self.watchdog(&mut |guard, now| {
            guard.watchdog.write(frame, offset, value as u32, now);
            guard.timer = self.index;
        });
    }

    /// Time has passed: the vCPU starts, or EL2's timer came in on its CPU.
    pub fn poll_watchdog(&self) {
        self.watchdog(&mut |guard, now| guard.watchdog.poll(now));
    }

    /// Does something with the watchdog; passes on its interrupt, sets the timer, and ends the
    /// partition if it has fired. Only a partition that runs is watched.
    fn watchdog(&self, work: &mut dyn FnMut(&mut Guard, u64)) {
        let partition = self.partition;
        if partition.plan.watchdog_milliseconds().is_none() {
            return;
        }
        let mut state = partition.state.lock();
        let State { watchdog: Some(guard), vgic, life, .. } = &mut *state else { return };
        if life.stage() != Stage::Running {
            return timer::set_deadline(User::Watchdog, None);
        }
        let started = partition.started();
        work(guard, timer::now().saturating_sub(started));
        let deadline = guard.watchdog.deadline().filter(|_| guard.timer == self.index);
        timer::set_deadline(User::Watchdog, deadline.map(|it| it.saturating_add(started)));
        let line = guard.watchdog.interrupt_line();
        if line || guard.line {
            guard.line = line;
            self.kick(vgic.set_line(guard.intid, line, &mut ThisCpu(self)));
        }
        if guard.watchdog.has_fired() {
            drop(state);
            partition.begin_end(End::Watchdog);
        }
    }
}
