//! Accesses to a guest's PL011s, of which one is connected to the console and one to the monitor.

use bulkhead::arch::intid::Intid;
use bulkhead::devices::pl011::{DR, Pl011};
use bulkhead::devices::{Device, Env, Offset};
use bulkhead::operator::console::Notify;
use bulkhead::trap::stats::Cause;
use bulkhead::util::deadlines::User;
use bulkhead::util::ring::Full;
use core::sync::atomic::Ordering;

use super::Vcpu;
use crate::el2::cpu::{self, MONITOR, timer};
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::{MonitorDevice, PartitionState};

/// The longest time for which output that ends no line waits until the console is notified of it,
/// in microseconds: that of a few characters on a line at 115,200 bit/s.
const PUBLISHING_US: u64 = 1000;

impl Vcpu {
    /// Carries out a store to UARTDR, of which the vectors have handled most.
    #[inline(always)]
    pub fn uart_send(&self, value: u64) {
        let (output, now) = (self.output, timer::now());
        let mut notify = Notify::No;
        let push = |byte| {
            self.shut_output(now);
            match output.push(byte, now) {
                Ok(pushed) => {
                    notify = pushed;
                    true
                }
                Err(Full) => false,
            }
        };
        if let Some(mut state) = self.partition.state.try_lock()
            && state.uart.pass(value as u8, push)
        {
            // Bytes that enter by the gate are published with the next one that comes here, or at the
            // deadline, which `notify_console` sets if there is none.
            let soon = if notify == Notify::No { Notify::Later } else { notify };
            if soon == Notify::Later || cpu::current().deadlines.has(User::Uart) {
                output.open();
            }
            drop(state);
            self.notify_console(soon, now);
        } else {
            self.uart_access(DR, Some(value));
        }
    }

    /// Publishes the output that has entered the buffer by its gate, which is shut, and counts the
    /// exits that it took. The caller holds the partition's lock.
    // One copy for all callers.
    #[inline(never)]
    pub(super) fn shut_output(&self, now: u64) -> Notify {
        let before = self.output.position();
        let notify = self.output.shut(now);
        let count = self.output.position().wrapping_sub(before);
        self.counters.add(Cause::Console, count as u64);
        notify
    }

    /// Returns whether a store of `value` to the PL011 at the console changes nothing, if this is known
    /// without waiting.
    #[inline(always)]
    pub fn is_uart_store_idle(&self, offset: u64, value: u64) -> bool {
        let state = self.partition.state.try_lock();
        state.is_some_and(|state| state.uart.has_no_effect(offset, value))
    }

    /// Notifies the console at once of output that ends a line, and of other output soon: what has
    /// entered the buffer by its gate is published then, too.
    // One copy for all callers.
    #[inline(never)]
    pub(super) fn notify_console(&self, notify: Notify, now: u64) {
        let cpu = cpu::current();
        match notify {
            Notify::Yes => self.partition.port.notify(notify),
            Notify::No => {}
            Notify::Later if cpu.deadlines.has(User::Uart) => {}
            Notify::Later => {
                let deadline = now.saturating_add(timer::microseconds(PUBLISHING_US));
                timer::set_deadline(User::Uart, Some(deadline));
            }
        }
    }

    /// Publishes the output that has entered the buffer by its gate, interrupts the driver of a virtio
    /// console for what it has sent, and requests that the console's CPU attend to the output: if that
    /// is this one, by a deadline that is due.
    pub fn publish_output(&self) {
        timer::set_deadline(User::Uart, None);
        let mut state = self.partition.state.lock();
        self.shut_output(timer::now());
        self.poll_console(&mut state, true);
        drop(state);
        self.partition.port.request();
    }

    /// Carries out an access to the PL011 at the console: a store of `stored`, or a load if it is
    /// `None`. Returns the value loaded.
    #[inline(never)]
    pub fn uart_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let mut loaded = 0;
        let mut state = self.partition.state.lock();
        let notify = self.with_uart(&mut state, &mut |uart, env| match stored {
            Some(value) => Device::write(uart, Offset::new(offset), value, env),
            None => loaded = Device::read(uart, Offset::new(offset), env),
        });
        drop(state);
        self.notify_console(notify, timer::now());
        loaded
    }

    /// Polls the PL011 at the console and the virtio console, after a kick by the console. Returns
    /// whether the console must be notified.
    pub fn poll_uart(&self, state: &mut PartitionState) -> Notify {
        let notify = self.with_uart(state, &mut |uart, env| Device::poll(uart, env));
        notify.max(self.poll_console(state, false))
    }

    /// Calls `operation` with the PL011 at the console, and notifies the vGIC of its interrupt
    /// line. Returns whether the console must be notified.
    // One copy for all callers.
    #[inline(never)]
    fn with_uart(
        &self,
        state: &mut PartitionState,
        operation: &mut dyn FnMut(&mut Pl011, &mut Env<'_>),
    ) -> Notify {
        let before = self.shut_output(timer::now());
        let mut connection = self.partition.port.connect();
        // The emulated PL011 sends at once and does not use the time.
        operation(&mut state.uart, &mut Env { now: 0, peer: &mut connection });
        let notify = match connection.notify() {
            Notify::No => before,
            notify => notify,
        };
        let flags = state.uart.idle_flags().unwrap_or(0);
        self.partition.uart_flags.store(flags, Ordering::Relaxed);
        if let (Some(line), Some(intid)) = (state.uart.changed_line(), self.partition.uart_intid) {
            let others = state.vgic.set_line(intid, line, &mut ThisCpu(&self.position));
            self.kick(others);
        }
        notify
    }

    /// Carries out an access to the PL011 at the monitor: a store of `stored`, or a load if it is
    /// `None`. Returns the value loaded.
    #[inline(never)]
    pub fn monitor_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let Some(port) = &self.partition.monitor else { return 0 };
        let loaded = port.access(offset, stored, &mut |intid, line| self.set_line(intid, line));
        self.continue_monitor(&**port);
        loaded
    }

    /// Continues with the monitor's work for the partition.
    pub fn poll_monitor(&self) {
        if let Some(port) = &self.partition.monitor {
            port.poll(&mut |intid, line| self.set_line(intid, line));
            self.continue_monitor(&**port);
        }
    }

    /// Requests that this CPU continue with the monitor's work for the partition, if there is any,
    /// once its other interrupts are handled.
    fn continue_monitor(&self, port: &dyn MonitorDevice) {
        if port.has_work() {
            self.seat.wake.request(MONITOR);
            self.seat.kick(self.gic());
        }
    }

    /// Sets the line of an interrupt of an emulated device.
    fn set_line(&self, intid: Intid, high: bool) {
        self.update_vgic(|vgic, hardware| vgic.set_line(intid, high, hardware));
    }
}
