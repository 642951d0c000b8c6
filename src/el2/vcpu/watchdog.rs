//! A guest's watchdog, whose deadline EL2's timer waits for.

use bulkhead::devices::watchdog::WatchdogFrame;
use bulkhead::partition::lifecycle::{End, Stage};
use bulkhead::util::deadlines::User;

use super::Vcpu;
use crate::el2::cpu::timer;
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::{ArmedWatchdog, State};

impl Vcpu {
    /// Loads from the watchdog.
    pub fn watchdog_read(&self, frame: WatchdogFrame, offset: u64) -> u64 {
        let mut value = 0;
        self.watchdog(&mut |armed, now| value = armed.watchdog.read(frame, offset, now));
        value.into()
    }

    /// Stores to the watchdog.
    pub fn watchdog_write(&self, frame: WatchdogFrame, offset: u64, value: u64) {
        self.watchdog(&mut |armed, now| {
            armed.watchdog.write(frame, offset, value as u32, now);
            armed.timer = self.index();
        });
    }

    /// Looks at the watchdog because time has passed: the vCPU starts, or EL2's timer expired.
    pub fn poll_watchdog(&self) {
        self.watchdog(&mut |armed, now| armed.watchdog.poll(now));
    }

    /// Works on the watchdog of a partition that runs, then notifies the vGIC of its interrupt line,
    /// sets EL2's timer, and stops the partition if the watchdog has fired.
    fn watchdog(&self, work: &mut dyn FnMut(&mut ArmedWatchdog, u64)) {
        let partition = self.partition;
        let Some(plan) = partition.plan.watchdog else { return };
        let mut state = partition.state.lock();
        let State { watchdog: Some(armed), vgic, life, .. } = &mut *state else { return };
        if life.stage() != Stage::Running {
            return timer::set_deadline(User::Watchdog, None);
        }
        let started = partition.started();
        work(armed, timer::now().saturating_sub(started));
        let deadline = armed.watchdog.deadline().filter(|_| armed.timer == self.index());
        timer::set_deadline(User::Watchdog, deadline.map(|it| it.saturating_add(started)));
        let line = armed.watchdog.interrupt_line();
        if line || armed.line {
            armed.line = line;
            self.kick(vgic.set_line(plan.interrupt, line, &mut ThisCpu(&self.position)));
        }
        if armed.watchdog.has_fired() {
            drop(state);
            partition.begin_end(End::Watchdog);
        }
    }
}
