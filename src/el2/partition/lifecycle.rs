//! How a partition stops, and what follows.

use bulkhead::partition::lifecycle::{Effect, End, Next, Order, Refusal, Stage};
use bulkhead::vgic::{CpuMask, Delivery};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Partition, PartitionState};
use crate::el2::arch::sync::MutexGuard;
use crate::el2::console::{self, say};
use crate::el2::cpu::{REBUILD, timer};
use crate::el2::drivers::power::{self, ExitStatus};

/// The number of partitions in the states that decide how the machine ends.
pub struct Totals {
    /// Partitions that have not stopped for good.
    alive: AtomicUsize,
    /// Partitions that have crashed and not been started again.
    crashed: AtomicUsize,
}

impl Totals {
    /// Returns the totals of so many partitions, none of which has stopped.
    pub const fn new(partitions: usize) -> Self {
        Self { alive: AtomicUsize::new(partitions), crashed: AtomicUsize::new(0) }
    }

    /// Ends the machine, once the last partition has stopped.
    fn finish(&self) -> ! {
        say!("every partition has stopped; the machine powers off");
        console::flush();
        let has_crashed = self.crashed.load(Ordering::Acquire) > 0;
        power::exit(if has_crashed { ExitStatus::Crashed } else { ExitStatus::Success })
    }
}

impl Partition {
    /// Starts to stop the partition, unless it is stopping: every vCPU is to leave its guest, and none
    /// starts any more.
    pub fn begin_end(&self, end: End) {
        let mut state = self.state.lock();
        if state.life.end(end) {
            self.clear_out(state);
        }
    }

    /// Carries out an order as soon as it can be.
    ///
    /// # Errors
    ///
    /// If the partition is in the ordered state already.
    pub fn order(&self, order: Order) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        let (had_stopped, had_crashed) = (state.has_stopped, state.life.stage() == Stage::Crashed);
        match state.life.order(order)? {
            Effect::Later => {}
            Effect::Leave => self.clear_out(state),
            Effect::Build => {
                state.has_stopped = false;
                drop(state);
                if had_stopped {
                    self.totals.alive.fetch_add(1, Ordering::AcqRel);
                }
                if had_crashed {
                    self.totals.crashed.fetch_sub(1, Ordering::AcqRel);
                }
                self.request_rebuild();
            }
        }
        Ok(())
    }

    /// Drops the requests to start vCPUs, and has those leave that run guest code.
    fn clear_out(&self, mut state: MutexGuard<'_, PartitionState>) {
        state.starts.fill(None);
        if state.inside.is_empty() {
            return self.conclude(state);
        }
        let inside = state.inside;
        if self.plan.delivery == Delivery::Direct {
            // With the lock held: before a vCPU can leave, be built again and start.
            self.stage2.cut();
        }
        drop(state);
        self.kick(inside);
    }

    /// Notes that a vCPU has left guest code. The last one stops the partition.
    pub fn leave(&self, vcpu: usize) {
        let mut state = self.state.lock();
        state.inside = state.inside.without(vcpu);
        if state.is_empty() {
            self.conclude(state);
        }
    }

    /// Does what follows when no vCPU runs guest code.
    fn conclude(&self, mut state: MutexGuard<'_, PartitionState>) {
        self.port.drain(&mut state.uart);
        let next = state.life.left();
        state.has_stopped = matches!(next, Next::Stop | Next::GiveUp);
        if state.life.stage() == Stage::Crashed {
            self.totals.crashed.fetch_add(1, Ordering::AcqRel);
        }
        let (restarts, injections) = (state.life.restarts().into(), state.injections);
        let end = state.life.last_end().unwrap_or(End::AllOff);
        drop(state);
        self.gic.silence(&self.plan.interrupts);
        self.report_end(end, next, restarts, injections);
        match next {
            Next::Build => {
                self.request_rebuild();
            }
            Next::Wait => {}
            Next::Stop | Next::GiveUp => {
                if self.totals.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.totals.finish();
                }
            }
        }
    }

    /// Has all CPUs of the partition build it again, while no vCPU runs guest code.
    fn request_rebuild(&self) {
        self.rebuild.prepare();
        self.cpus.iter().for_each(|cpu| cpu.wake.request(REBUILD));
        self.kick(CpuMask::first(self.plan.cpus.len()));
    }

    fn report_end(&self, end: End, next: Next, restarts: u64, injections: u64) {
        let milliseconds = timer::milliseconds_since(self.started());
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        let again = format_args!("; restart {restarts}");
        let never = format_args!("; it stays stopped, restarted {restarts} times already");
        let then = match next {
            Next::Stop | Next::Wait => format_args!(""),
            Next::Build => again,
            Next::GiveUp => never,
        };
        say!("{self}: {end} after {seconds}.{rest:03} s{then}");
        if injections > 0 {
            say!("{self}: {injections} exceptions were injected for its faults");
        }
    }
}
