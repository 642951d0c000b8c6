//! Stops partitions, and carries out what follows: a restart, the end of the machine, or nothing.

use bulkhead::partition::lifecycle::{End, Next, Stage};
use bulkhead::smmu::StreamState;
use bulkhead::vgic::{CpuMask, Delivery};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Partition, PartitionState};
use crate::el2::arch::sync::MutexGuard;
use crate::el2::console::{self, print_line, say};
use crate::el2::cpu::{REBUILD, timer};
use crate::el2::drivers::power::{self, ExitStatus};

/// The numbers of partitions that decide when and how the machine ends.
pub struct Totals {
    /// Partitions that have not stopped permanently.
    alive: AtomicUsize,
    /// Partitions that have crashed and were not started again.
    crashed: AtomicUsize,
}

impl Totals {
    /// Returns the totals of this number of partitions, none of which has stopped.
    pub const fn new(partitions: usize) -> Self {
        Self { alive: AtomicUsize::new(partitions), crashed: AtomicUsize::new(0) }
    }

    /// Counts a partition that is started again after it had stopped permanently, or crashed.
    pub fn revive(&self, had_stopped: bool, had_crashed: bool) {
        if had_stopped {
            self.alive.fetch_add(1, Ordering::AcqRel);
        }
        if had_crashed {
            self.crashed.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Powers the machine off after the last partition has stopped.
    fn finish(&self) -> ! {
        say!("every partition has stopped; the machine powers off");
        console::flush();
        let has_crashed = self.crashed.load(Ordering::Acquire) > 0;
        power::exit(if has_crashed { ExitStatus::Crashed } else { ExitStatus::Success })
    }
}

impl Partition {
    /// Begins to stop the partition, unless it is stopping already: every vCPU must leave its
    /// guest, and none starts.
    pub fn begin_end(&self, end: End) {
        let mut state = self.state.lock();
        if state.life.end(end) {
            self.publish(&state);
            self.request_leave(state);
        }
    }

    /// Drops the requests to start vCPUs, and makes those leave that run guest code.
    pub fn request_leave(&self, mut state: MutexGuard<'_, PartitionState>) {
        state.starts.fill(None);
        if state.inside.is_empty() {
            return self.finish_end(state);
        }
        let inside = state.inside;
        if self.plan.delivery == Delivery::Direct {
            // While the lock is held no vCPU can leave, so the partition cannot be rebuilt and
            // started before its stage 2 is cut.
            self.stage2.cut();
        }
        drop(state);
        self.kick(inside);
    }

    /// Records that a vCPU has left guest code. The last one completes the partition's stop.
    pub fn leave(&self, vcpu: usize) {
        let mut state = self.state.lock();
        state.inside = state.inside.without(vcpu);
        if state.is_empty() {
            self.finish_end(state);
        }
    }

    /// Completes the partition's stop once no vCPU runs guest code, and carries out what follows.
    fn finish_end(&self, mut state: MutexGuard<'_, PartitionState>) {
        self.port.drain(&mut state.uart);
        let next = state.life.left();
        state.has_stopped = matches!(next, Next::Stop | Next::GiveUp);
        if state.life.stage() == Stage::Crashed {
            self.totals.crashed.fetch_add(1, Ordering::AcqRel);
        }
        let (restarts, injections) = (state.life.restarts().into(), state.injections);
        let end = state.life.last_end().unwrap_or(End::AllOff);
        self.publish(&state);
        // A guest can reset itself all the time; the number in the line shows how many were left
        // out. The end of a partition that stays stopped is always reported.
        let is_reported = next != Next::Build || state.restart_lines.allow(timer::now()).is_some();
        drop(state);
        if let Some(links) = &self.links {
            // What another CPU still uses is taken back before the memory is scrubbed.
            _ = links.stop();
        }
        if let Some(doorbells) = &self.doorbells {
            doorbells.stop();
        }
        if let Some(pci) = &self.pci {
            pci.stop();
        }
        if let Some(streams) = &self.streams {
            // Tried once: a rebuild tries again, and otherwise the memory stays the partition's.
            _ = streams.set(StreamState::Closed);
        }
        self.gic.silence(&self.plan.interrupts);
        if is_reported {
            self.report_end(end, next, restarts, injections);
        }
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

    /// Requests that all CPUs of the partition build it again. No vCPU may run guest code.
    pub fn request_rebuild(&self) {
        self.rebuild.prepare();
        self.seats.iter().for_each(|seat| seat.wake.request(REBUILD));
        self.kick(CpuMask::first(self.plan.cpus.len()));
    }

    /// Prints why and when the partition stopped, and what follows.
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
        let line = format_args!("{self}: {end} after {seconds}.{rest:03} s{then}");
        print_line(line, Some(self.port));
        if injections > 0 {
            say!("{self}: {injections} exceptions were injected for its faults");
        }
    }
}
