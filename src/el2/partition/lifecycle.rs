//! How a partition ends, and what follows.

use bulkhead::partition::lifecycle::{Effect, End, Next, Order, Refusal, Stage};
use bulkhead::vgic::{CpuMask, Delivery};
use core::sync::atomic::Ordering;

use super::{ALIVE, Partition, State, all};
use crate::el2::arch::sync::MutexGuard;
use crate::el2::console::{self, say};
use crate::el2::cpu::timer;
use crate::el2::drivers::gic;
use crate::el2::drivers::power::{self, Status};
use crate::el2::mm::stage2;

impl Partition {
    /// Begins the partition's end, if it has not begun: every vCPU is to leave its guest, and none
    /// starts any more.
    pub fn begin_end(&self, end: End) {
        let mut state = self.state.lock();
        if state.life.end(end) {
            self.clear_out(state);
        }
    }

    /// Carries out what somebody wants of it, as soon as it can be.
    ///
    /// # Errors
    ///
    /// If it is so already.
    pub fn order(&self, order: Order) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        let was_over = state.is_over;
        match state.life.order(order)? {
            Effect::Later => {}
            Effect::Leave => self.clear_out(state),
            Effect::Build => {
                state.is_over = false;
                drop(state);
                if was_over {
                    ALIVE.fetch_add(1, Ordering::AcqRel);
                }
                self.rebuild.ask();
                self.kick(self.vcpus());
            }
        }
        Ok(())
    }

    /// Calls off what was to start, and makes those leave that run guest code.
    fn clear_out(&self, mut state: MutexGuard<'_, State>) {
        state.starts.fill(None);
        if state.inside.is_empty() {
            return self.conclude(state);
        }
        let inside = state.inside;
        if self.plan.delivery == Delivery::Direct {
            // Before anybody can leave, be built again and start.
            stage2::cut(self);
        }
        drop(state);
        self.kick(inside);
    }

    /// Notes that a vCPU runs guest code no more. The last one ends the partition.
    pub fn leave(&self, vcpu: usize) {
        let mut state = self.state.lock();
        state.inside = state.inside.without(vcpu);
        if state.is_empty() {
            self.conclude(state);
        }
    }

    /// What follows when nobody runs guest code any more.
    fn conclude(&self, mut state: MutexGuard<'_, State>) {
        console::drain(self, &mut state.uart);
        let next = state.life.left();
        state.is_over = matches!(next, Next::Rest | Next::GiveUp);
        let (restarts, injections) = (state.life.restarts().into(), state.injections);
        let end = state.life.last_end().unwrap_or(End::AllOff);
        drop(state);
        gic::get().silence(&self.plan.interrupts);
        self.report_end(end, next, restarts, injections);
        match next {
            Next::Build => {
                self.rebuild.ask();
                self.kick(self.vcpus());
            }
            Next::Wait => {}
            Next::Rest | Next::GiveUp => {
                if ALIVE.fetch_sub(1, Ordering::AcqRel) == 1 {
                    finish();
                }
            }
        }
    }

    fn vcpus(&self) -> CpuMask {
        CpuMask::first(self.plan.cpus.len())
    }

    fn report_end(&self, end: End, next: Next, restarts: u64, injections: u64) {
        let milliseconds = timer::milliseconds_since(self.started());
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        let again = format_args!("; restart {restarts}");
        let never = format_args!("; it stays stopped, restarted {restarts} times already");
        let then = match next {
            Next::Rest | Next::Wait => format_args!(""),
            Next::Build => again,
            Next::GiveUp => never,
        };
        say!("{self}: {end} after {seconds}.{rest:03} s{then}");
        if injections > 0 {
            say!("{self}: it was given {injections} exceptions for what it must not do");
        }
    }
}

/// The end of the machine, once the last partition has stopped.
fn finish() -> ! {
    let has_crashed = |it: &Partition| it.state.lock().life.stage() == Stage::Crashed;
    let crashed = all().iter().any(has_crashed);
    say!("every partition has stopped; the machine powers off");
    console::flush();
    power::exit(if crashed { Status::Crashed } else { Status::Success })
}
