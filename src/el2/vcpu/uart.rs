//! A guest's PL011, connected to the console.

use bulkhead::devices::pl011::DR;
use bulkhead::operator::console::Tell;
use bulkhead::util::ring::Full;

use super::Vcpu;
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::State;

impl Vcpu {
    /// Returns UARTFR, if a load of it has no side effect.
    #[inline(always)]
    pub fn idle_uart_flags(&self) -> Option<u64> {
        let flags = self.partition.state.try_lock()?.uart.idle_flags();
        if self.partition.port.input_waits() { None } else { flags }
    }

    /// Stores a byte to UARTDR.
    #[inline(never)]
    pub fn uart_send(&self, value: u64) {
        let port = self.partition.port;
        let mut told = Tell::No;
        let push = |byte| match port.push(byte) {
            Ok(tell) => {
                told = tell;
                true
            }
            Err(Full) => false,
        };
        let passed = match self.partition.state.try_lock() {
            Some(mut state) => state.uart.pass(value as u8, push),
            None => false,
        };
        if passed {
            port.notify(told);
        } else {
            self.uart_access(DR, Some(value));
        }
    }

    /// Carries out an access to the PL011: a store of a value, or a load. Returns the value loaded.
    #[inline(never)]
    pub fn uart_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let mut state = self.partition.state.lock();
        let loaded = state.uart.access(offset, stored);
        let told = self.update_uart(&mut state);
        drop(state);
        self.partition.port.notify(told);
        loaded
    }

    /// Moves the PL011's output and input on, and notifies the vGIC of its interrupt line. Returns
    /// whether the console is to be notified.
    pub fn update_uart(&self, state: &mut State) -> Tell {
        let port = self.partition.port;
        let told = port.transmit(&mut state.uart);
        if port.input_waits() {
            port.pull(&mut state.uart);
        }
        if let Some(line) = state.uart.changed_line() {
            let intid = self.partition.plan.console_interrupt;
            let others = state.vgic.set_line(intid, line, &mut ThisCpu(&self.position));
            self.kick(others);
        }
        told
    }

    /// Carries out an access to the PL011 with the monitor. Returns the value loaded.
    #[inline(never)]
    pub fn monitor_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let plan = &self.partition.plan;
        let (Some(port), Some(intid)) = (&self.partition.monitor, plan.monitor_interrupt) else {
            return 0;
        };
        port.access(offset, stored, &mut |line| {
            self.update_vgic(|vgic, hw| vgic.set_line(intid, line, hw));
        })
    }
}
