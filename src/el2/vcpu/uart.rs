//! A guest's two PL011s: one connected to the console, one to the monitor.

use bulkhead::devices::pl011::DR;
use bulkhead::devices::{Device, Env, Offset};
use bulkhead::operator::console::Notify;
use bulkhead::util::ring::Full;

use super::Vcpu;
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::PartitionState;

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
        let mut notify = Notify::No;
        let push = |byte| match port.push(byte) {
            Ok(pushed) => {
                notify = pushed;
                true
            }
            Err(Full) => false,
        };
        let passed = match self.partition.state.try_lock() {
            Some(mut state) => state.uart.pass(value as u8, push),
            None => false,
        };
        if passed {
            port.notify(notify);
        } else {
            self.uart_access(DR, Some(value));
        }
    }

    /// Carries out an access to the console's PL011: a store of a value, or a load. Returns the value
    /// loaded.
    #[inline(never)]
    pub fn uart_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let mut loaded = 0;
        let mut state = self.partition.state.lock();
        let notify = self.with_uart(&mut state, &mut |uart, env| match stored {
            Some(value) => uart.write(Offset::new(offset), value, env),
            None => loaded = uart.read(Offset::new(offset), env),
        });
        drop(state);
        self.partition.port.notify(notify);
        loaded
    }

    /// Moves the console's PL011's output and input on. Returns whether the console is to be notified.
    pub fn poll_uart(&self, state: &mut PartitionState) -> Notify {
        self.with_uart(state, &mut |uart, env| uart.poll(env))
    }

    /// Works on the console's PL011, and notifies the vGIC of its interrupt line.
    fn with_uart(
        &self,
        state: &mut PartitionState,
        work: &mut dyn FnMut(&mut dyn Device, &mut Env<'_>),
    ) -> Notify {
        let mut connection = self.partition.port.connect();
        // A PL011 takes no time to send.
        work(&mut state.uart, &mut Env { now: 0, peer: &mut connection });
        let notify = connection.notify();
        if let (Some(line), Some(intid)) = (state.uart.changed_line(), self.partition.uart_intid) {
            let others = state.vgic.set_line(intid, line, &mut ThisCpu(&self.position));
            self.kick(others);
        }
        notify
    }

    /// Carries out an access to the monitor's PL011. Returns the value loaded.
    #[inline(never)]
    pub fn monitor_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let Some(port) = &self.partition.monitor else { return 0 };
        port.access(offset, stored, &mut |intid, line| {
            self.update_vgic(|vgic, hardware| vgic.set_line(intid, line, hardware));
        })
    }
}
