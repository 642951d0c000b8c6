//! Reads the UART's input: bytes for guests and for the monitor, and keys that change the view.

use bulkhead::operator::console::input::{Event, View};
use bulkhead::util::format::format;
use core::sync::atomic::Ordering;

use super::{CONSOLE, Port, SharedState, ports, pump, shared};
use crate::el2::cpu::{self, timer};
use crate::el2::drivers::uart::Uart;

/// The number of bytes read for one interrupt. The interrupt stays asserted if more are waiting.
const BYTES_AT_ONCE: usize = 128;

/// The end of the line that says which source has the focus.
const FOCUSED: &str = " has the console; Ctrl-] 0 shows all\n";

/// Handles the UART's interrupt: received bytes, or room in the transmit FIFO.
pub fn interrupt() {
    read();
    if let Some(gic) = CONSOLE.gic.get() {
        ports().iter().filter(|port| port.input_waits()).for_each(|port| gic.kick(port.cpu()));
    }
    pump();
    run_monitor();
}

/// Runs the monitor if its output waits for room and this CPU handles the UART's interrupts.
pub fn handle_kick() {
    if CONSOLE.monitor_waits.load(Ordering::Acquire)
        && cpu::current().index() == CONSOLE.cpu.load(Ordering::Relaxed)
    {
        run_monitor();
    }
}

/// Runs the monitor and sends its output until it has nothing to do or must wait for room.
fn run_monitor() {
    let Some(monitor) = CONSOLE.monitor.get() else { return };
    loop {
        CONSOLE.monitor_waits.store(false, Ordering::Release);
        if !monitor.run() {
            return;
        }
        pump();
    }
}

/// Reads the UART while there is room for its bytes. Further bytes stay in the UART, with the
/// interrupt masked, until a guest reads its input.
fn read() {
    for _ in 0..BYTES_AT_ONCE {
        let mut shared = shared();
        let Some(event) = shared.next_event() else { break };
        let monitor = CONSOLE.monitor.get();
        match event {
            Event::Choices => shared.print_choices(),
            Event::Show(View::Monitor) if monitor.is_none() => {
                shared.log(b"there is no monitor: the description has no `monitor;` for it\n");
                continue;
            }
            Event::Show(view) => shared.show(view),
            Event::Taken | Event::Monitor(_) => {}
        }
        // The monitor's lock is taken before the console's.
        drop(shared);
        match (event, monitor) {
            (Event::Show(View::Monitor), Some(monitor)) => monitor.open(),
            (Event::Monitor(byte), Some(monitor)) => monitor.input(byte),
            _ => {}
        }
    }
    shared().update_waiting();
}

/// Gives a partition the focus, after sending the monitor's output.
pub fn attach(partition: usize) {
    pump();
    shared().show(View::Partition(partition));
}

impl SharedState {
    /// Takes a byte from the UART and decodes it; `None` if there is no byte or no room for it.
    fn next_event(&mut self) -> Option<Event> {
        let input = self.input.as_mut().filter(|input| input.has_room())?;
        let byte = self.uart?.receive()?;
        Some(input.read(byte, timer::now(), ports().iter().map(Port::name)))
    }

    /// Updates for each port whether input is waiting.
    pub(super) fn update_waiting(&mut self) {
        if let Some(input) = &self.input {
            let waiting = input.waiting();
            for (bit, port) in (0..32).zip(ports()) {
                port.set_input_waits(waiting >> bit & 1 != 0);
            }
        }
        self.choose_interrupts();
    }

    /// Drops input that a guest has not read in time, prints a line about it, and continues
    /// reading.
    pub(super) fn tick_input(&mut self, now: u64) {
        if let Some(input) = &mut self.input
            && input.is_due(now)
        {
            input.tick(now);
            self.print_dropped(now);
            self.choose_interrupts();
        }
    }

    /// Prints a line for each partition whose input was dropped, if it was dropped before `until`.
    fn print_dropped(&mut self, until: u64) {
        while let Some((index, count)) = self.input.as_mut().and_then(|it| it.take_dropped(until)) {
            let port = &ports()[index];
            let text =
                format_args!("{port} does not read: {count} bytes typed for it are dropped\n");
            format(text, self);
        }
    }

    /// Changes the view, and prints a line that names it.
    fn show(&mut self, view: View) {
        self.print_dropped(u64::MAX);
        let name = |index: usize| ports().get(index).map_or("none", Port::name);
        let (name, rest) = match view {
            View::Shared => {
                self.log(b"all partitions are shown, ");
                (name(0), " has the input\n")
            }
            View::Monitor => ("the monitor", FOCUSED),
            View::Partition(index) => (name(index), FOCUSED),
        };
        self.log(name.as_bytes());
        self.log(rest.as_bytes());
        if let (Some(input), Some(lines)) = (&mut self.input, &mut self.lines) {
            input.show(view);
            lines.focus(view.focus(), timer::now());
        }
    }

    /// Prints the keys that can follow Ctrl-].
    fn print_choices(&mut self) {
        self.log(b"after Ctrl-]: 0 all");
        for (digit, port) in (b'1'..).zip(ports()) {
            self.log(b", ");
            if digit <= b'9' {
                self.log(&[digit, b' ']);
            }
            self.log(port.name().as_bytes());
        }
        self.log(b", a first letter");
        if CONSOLE.monitor.get().is_some() {
            self.log(b", Ctrl-] the monitor");
        }
        self.log(b", ] Ctrl-] itself\n");
    }
}
