//! Reads the UART's input: bytes for guests and for the monitor, and keys that change the view.
//!
//! Only the CPU of the console's [`Place`](super::Place) does this, so that the lock of the input
//! is free whenever it is taken.

use bulkhead::operator::console::Console;
use bulkhead::operator::console::OwnLine;
use bulkhead::operator::console::input::{Event, Input, View};
use bulkhead::util::format::Sink;
use core::sync::atomic::{Ordering, fence};

use super::{CONSOLE, Port, announce, ports, queue, queue_line, request_view, uart};
use crate::el2::cpu::timer;

/// The number of bytes read for one interrupt. The interrupt stays asserted if more are waiting.
const BYTES_AT_ONCE: usize = 8;
/// The length from which on the list of choices continues in another line, in bytes.
const CHOICES_BYTES: usize = 100;
/// The end of the line that says which source has the focus.
const FOCUSED: &str = " has the console; Ctrl-] 0 shows all";

/// Reads bytes that the UART has received. Returns whether there were any.
pub fn receive() -> bool {
    match CONSOLE.input.attempt().as_deref_mut() {
        Some(Some(input)) => read(input),
        _ => false,
    }
}

/// Reads the UART while there is room for its bytes. Further bytes stay in the UART, with the
/// interrupt masked, until a guest reads its input. Returns whether there were any.
fn read(input: &mut Input) -> bool {
    let Some(uart) = uart() else { return false };
    let mut has_any = false;
    let names = || ports().iter().map(Port::name);
    let reader = reader_of(input);
    for _ in 0..BYTES_AT_ONCE {
        if !input.has_room() {
            break;
        }
        let Some(byte) = uart.receive() else { break };
        has_any = true;
        match (input.read(byte, timer::now(), names()), CONSOLE.monitor.get()) {
            (Event::Choices, _) => print_choices(),
            (Event::Show(View::Monitor), None) => {
                queue_text(&["there is no monitor: the description has no `monitor;` for it"]);
            }
            (Event::Show(view), monitor) => {
                show(input, view);
                if let (View::Monitor, Some(monitor)) = (view, monitor) {
                    monitor.open();
                    CONSOLE.monitor_waits.store(true, Ordering::Release);
                }
            }
            (Event::Monitor(byte), Some(monitor)) => {
                monitor.input(byte);
                CONSOLE.monitor_waits.store(true, Ordering::Release);
            }
            (Event::Monitor(_) | Event::Taken, _) => {}
        }
    }
    for port in reader.into_iter().chain(reader_of(input)) {
        if port.input_waits()
            && let Some(place) = CONSOLE.place.get()
        {
            port.seat().kick(place.gic);
        }
    }
    has_any
}

/// Returns the port that has the input.
// One copy for all callers.
#[inline(never)]
fn reader_of(input: &Input) -> Option<&'static Port> {
    input.view().reader().and_then(|partition| ports().get(partition))
}

/// Does the rest of this CPU's work for the console, after a piece of output: sets the UART's
/// interrupts, of which `transmits` is the one for room, and drops input that is not read in time.
/// Moves `deadline` forward to that of the input. Returns whether there is more to do at once.
pub fn attend(transmits: bool, deadline: &mut Option<u64>) -> bool {
    let now = timer::now();
    let mut has_more = monitor_has_work();
    if let Some(mut input) = CONSOLE.input.attempt()
        && let Some(input) = &mut *input
    {
        if input.is_due(now) {
            input.tick(now);
            has_more |= print_dropped(input, now);
        }
        if let Some(uart) = uart() {
            uart.set_interrupts(may_read(input), transmits);
        }
        if let Some(due) = input.deadline() {
            *deadline = Some(deadline.map_or(due, |deadline| deadline.min(due)));
        }
    }
    has_more
}

/// Returns whether the UART may be read. If not, the guest that has the input requests another
/// attempt when it has read.
fn may_read(input: &Input) -> bool {
    if input.has_room() {
        return true;
    }
    // Store, fence, load on both sides: this CPU notes that it waits, then looks again; the guest's
    // CPU takes a byte, then looks whether this one waits. At least one sees the other's store.
    CONSOLE.input_waits.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    input.has_room()
}

/// Returns whether the monitor has something to do for which its buffer has room.
fn monitor_has_work() -> bool {
    CONSOLE.monitor_waits.load(Ordering::Relaxed)
        && CONSOLE.monitor_output.get().is_some_and(|output| output.is_half_empty())
}

/// Does a part of the monitor's work if it has any and this visit is its own. Returns whether it
/// was.
pub fn run_monitor() -> bool {
    let (Some(monitor), Some(output)) = (CONSOLE.monitor.get(), CONSOLE.monitor_output.get())
    else {
        return false;
    };
    let was_last = CONSOLE.monitor_was_last.load(Ordering::Relaxed);
    let is_own = !was_last && monitor_has_work();
    CONSOLE.monitor_was_last.store(is_own, Ordering::Relaxed);
    if is_own {
        CONSOLE.monitor_waits.store(false, Ordering::SeqCst);
        if monitor.step(output) {
            CONSOLE.monitor_waits.store(true, Ordering::Release);
        }
        announce();
    }
    is_own
}

/// Gives a partition the focus. Called on the CPU of the console's place.
pub fn attach(partition: usize) {
    if let Some(mut input) = CONSOLE.input.attempt()
        && let Some(input) = &mut *input
    {
        show(input, View::Partition(partition));
    }
}

/// Changes the view if that was requested.
pub fn change_view(lines: &mut Console, now: u64) {
    if CONSOLE.view.load(Ordering::Relaxed) != 0
        && let Some(view) = View::from_number(CONSOLE.view.swap(0, Ordering::Acquire))
    {
        lines.focus(view.focus(), now);
    }
}

/// Prints a line for each partition whose input was dropped, if it was dropped before `until`.
/// Returns whether there is any.
fn print_dropped(input: &mut Input, until: u64) -> bool {
    let mut has_any = false;
    while let Some((index, count)) = input.take_dropped(until) {
        let Some(port) = ports().get(index) else { continue };
        queue_line(
            format_args!("{port} does not read: {count} bytes typed for it are dropped"),
            None,
        );
        has_any = true;
    }
    has_any
}

/// Changes the view, and prints a line that names it.
fn show(input: &mut Input, view: View) {
    print_dropped(input, u64::MAX);
    let name = |index: usize| ports().get(index).map_or("none", Port::name);
    match view {
        View::Shared => queue_text(&["all partitions are shown, ", name(0), " has the input"]),
        View::Monitor => queue_text(&["the monitor", FOCUSED]),
        View::Partition(index) => queue_text(&[name(index), FOCUSED]),
    }
    input.show(view);
    request_view(view);
}

/// Queues a line of Bulkhead's own that consists of these parts.
#[inline(never)]
fn queue_text(parts: &[&str]) {
    let mut line = OwnLine::EMPTY;
    parts.iter().for_each(|part| line.put(part.as_bytes()));
    queue(&mut line, None);
}

/// Prints the keys that can follow Ctrl-], in one line or more.
fn print_choices() {
    let mut line = OwnLine::EMPTY;
    line.put(b"after Ctrl-]: 0 all");
    for (index, port) in ports().iter().enumerate() {
        if line.text().len() > CHOICES_BYTES {
            queue(&mut line, None);
            line = OwnLine::EMPTY;
        }
        line.put(b", ");
        if index < 9 {
            line.put(&[b'1'.wrapping_add(index as u8), b' ']);
        }
        line.put(port.name().as_bytes());
    }
    queue(&mut line, None);
    let has_monitor = CONSOLE.monitor.get().is_some();
    let monitor = if has_monitor { ", Ctrl-] the monitor" } else { "" };
    queue_text(&["or a first letter", monitor, ", ] Ctrl-] itself"]);
}
