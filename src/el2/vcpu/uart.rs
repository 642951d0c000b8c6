//! Accesses to a guest's PL011s, of which one is connected to the console and one to the monitor.

use bulkhead::arch::intid::Intid;
use bulkhead::devices::pl011::{DR, Pl011};
use bulkhead::devices::{Device, Env, Offset};
use bulkhead::operator::console::Notify;
use bulkhead::util::ring::Full;

use super::Vcpu;
use crate::el2::cpu::{self, MONITOR, timer};
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::{MonitorDevice, PartitionState};

impl Vcpu {
    /// Returns UARTFR if a load of it has no side effect and the partition's lock is free.
    #[inline(always)]
    pub fn idle_uart_flags(&self) -> Option<u64> {
        if self.partition.port.input_waits() {
            return None;
        }
        self.partition.state.try_lock()?.uart.idle_flags()
    }

    /// Carries out a store to UARTDR.
    #[inline(never)]
    pub fn uart_send(&self, value: u64) {
        let mut notify = Notify::No;
        let push = |byte| match self.partition.output.push(byte, timer::now()) {
            Ok(pushed) => {
                notify = pushed;
                true
            }
            Err(Full) => false,
        };
        let was_passed = match self.partition.state.try_lock() {
            Some(mut state) => state.uart.pass(value as u8, push),
            None => false,
        };
        if was_passed {
            self.partition.port.notify(notify);
        } else {
            self.uart_access(DR, Some(value));
        }
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
        self.partition.port.notify(notify);
        loaded
    }

    /// Polls the PL011 at the console, after a kick by the console. Returns whether the console
    /// must be notified.
    pub fn poll_uart(&self, state: &mut PartitionState) -> Notify {
        self.with_uart(state, &mut |uart, env| Device::poll(uart, env))
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
        let mut connection = self.partition.port.connect();
        // The emulated PL011 sends at once and does not use the time.
        operation(&mut state.uart, &mut Env { now: 0, peer: &mut connection });
        let notify = connection.notify();
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
            let cpu = cpu::current();
            cpu.wake.request(MONITOR);
            self.gic().kick(cpu.index());
        }
    }

    /// Sets the line of an interrupt of an emulated device.
    fn set_line(&self, intid: Intid, high: bool) {
        self.update_vgic(|vgic, hardware| vgic.set_line(intid, high, hardware));
    }
}
