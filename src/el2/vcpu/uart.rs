//! A guest's own UART: what it writes goes to the console.

use bulkhead::devices::pl011::{DR, Pl011};
use bulkhead::operator::console::Tell;
use bulkhead::util::ring::Full;
use core::sync::atomic::Ordering;

use super::Vcpu;
use crate::el2::console::{self, input_waits, poll_input};
use crate::el2::cpu::timer;
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::partition::{Partition, State};

impl Vcpu {
    /// What a load from the flags gives, where it is nothing but that.
    #[inline(always)]
    pub fn idle_uart_flags(&self) -> Option<u64> {
        let flags = self.partition.state.try_lock()?.uart.idle_flags();
        if input_waits(self.partition) { None } else { flags }
    }

    /// A store of a byte to send.
    #[inline(never)]
    pub fn uart_send(&self, value: u64) {
        let mut told = Tell::No;
        let push = |byte| match self.partition.output.push(byte, timer::now()) {
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
            self.tell_console(told);
        } else {
            self.uart_access(DR, Some(value));
        }
    }

    /// An access to the UART: a store of a value, or a load.
    #[inline(never)]
    pub fn uart_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let mut state = self.partition.state.lock();
        let loaded = state.uart.access(offset, stored);
        let told = self.after_uart(&mut state);
        drop(state);
        self.tell_console(told);
        if input_waits(self.partition) {
            poll_input(self.partition);
        }
        loaded
    }

    /// Moves what the UART has to send, and tells the vGIC the level of its interrupt. Returns whether the
    /// console is to be told.
    pub fn after_uart(&self, state: &mut State) -> Tell {
        let told = send(self.partition, &mut state.uart);
        if let (Some(line), Some(intid)) = (state.uart.changed_line(), self.partition.uart_intid) {
            let others = state.vgic.set_line(intid, line, &mut ThisCpu(self));
            self.kick(others);
        }
        told
    }

    /// Has the console look at what the partition has written, if it is to be told.
    #[inline(always)]
    pub fn tell_console(&self, tell: Tell) {
        if tell == Tell::Yes {
            console::tell(self.partition);
        }
    }
}

/// Moves what a UART has to send, as far as there is room. Returns whether the console is to be told.
#[inline(never)]
fn send(partition: &Partition, uart: &mut Pl011) -> Tell {
    let mut told = Tell::No;
    let mut is_full = true;
    while is_full {
        is_full = false;
        uart.transmit(&mut |byte| {
            let pushed = partition.output.push(byte, timer::now());
            is_full = pushed.is_err();
            // A console that is slow is asked again.
            if pushed != Ok(Tell::No) {
                told = Tell::Yes;
            }
            pushed.map(|_| ())
        });
        // Either the console finds that somebody waits when it has made room, or there is room now.
        partition.output_waits.store(uart.is_busy(), Ordering::SeqCst);
        is_full &= partition.output.has_room();
    }
    told
}

/// Waits until the console has taken what a partition's UART has left to send.
pub fn drain(partition: &Partition, uart: &mut Pl011) {
    while send(partition, uart) == Tell::Yes {
        console::tell(partition);
    }
}
