//! Sends output in pieces, each of which takes a bounded number of instructions.
//!
//! If the Plan names a CPU for the console, that CPU sends all output. Otherwise each partition's
//! CPUs send its own: the CPU that finishes a turn asks a CPU of the next one to continue. A guest
//! that keeps its CPU from answering would block the console, so after [`PATIENCE_US`] any CPU with
//! output of its own sends for it.
//!
//! A CPU that runs a guest does one piece for each interrupt. It leaves its guest the time of a
//! piece before the next one, unless the guest waits for room for its output.

use bulkhead::operator::console::{Console, Source, Stop, Transmitter};
use bulkhead::util::deadlines::User;
use bulkhead::util::uart::Transmit;
use core::sync::atomic::Ordering;

use super::{CONSOLE, Place, SharedState, input, ports};
use crate::el2::cpu::{self, Cpu, timer};
use crate::el2::drivers::uart::{MachineUart, emergency};

/// The budget ([`Console::send`]) of a piece of others' output on a CPU that runs a guest.
const PIECE_BUDGET: usize = 42;
/// The budget of a piece of the output of the CPU's own guest.
const OWN_PIECE_BUDGET: usize = 120;
/// What such a piece may take beyond its budget to end a line, and to find out whether there is more
/// output.
const LAST_LOOK_BUDGET: usize = 18;
/// The budget of a piece on a CPU that no partition owns.
const FREE_PIECE_BUDGET: usize = 768;
/// The time that a CPU waits for another one that has the turn, in microseconds: several times what
/// that CPU needs to answer, unless it works on a restart, or its guest keeps it from answering.
const PATIENCE_US: u64 = 200;
/// The time after which a CPU looks again that found the console's lock held or the UART full, in
/// microseconds: the time that a UART at 115,200 bit/s takes for 5 bytes.
const RETRY_US: u64 = 500;

/// When a CPU continues with the console's work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// As soon as its guest has had its share.
    Soon,
    /// At this time at the latest, as a counter value.
    At(u64),
    /// When the UART has room.
    Room,
    /// When there is new output.
    Never,
}

/// Handles the UART's interrupt: received bytes, or room in the transmit FIFO. What follows from
/// received bytes is a visit of its own.
pub fn interrupt() {
    if input::receive() {
        input::attend(false, &mut None);
        timer::set_deadline(User::Console, Some(timer::now()));
    } else {
        attend();
    }
}

/// Does a piece of the console's work on this CPU, or of the monitor's, and arranges for the rest.
/// Called after new output, for the request of another CPU, for the UART's interrupt, and at a
/// deadline.
#[inline(never)]
pub fn attend() {
    let Some(place) = CONSOLE.place.get() else { return };
    let began = timer::now();
    let is_here = place.is_here();
    let next =
        if is_here && input::run_monitor() { Next::Soon } else { attempt_piece(place, began) };
    let mut deadline = match next {
        Next::At(deadline) => Some(deadline),
        Next::Room if !is_here || !place.has_interrupt => {
            Some(began.saturating_add(timer::microseconds(RETRY_US)))
        }
        Next::Room | Next::Soon | Next::Never => None,
    };
    let has_more = is_here && input::attend(next == Next::Room, &mut deadline);
    if has_more || next == Next::Soon {
        let now = timer::now();
        let port = cpu::current().partition().and_then(|partition| ports().get(partition));
        let shares = port.is_some_and(|port| !port.output_waits());
        deadline = Some(if shares { now.saturating_add(now.wrapping_sub(began)) } else { now });
    }
    timer::set_deadline(User::Console, deadline);
}

/// Sends a piece if no other CPU does, and returns when this CPU has to continue.
fn attempt_piece(place: &Place, now: u64) -> Next {
    // If another CPU holds the lock, it sees the mark, but need not send for this CPU's partition.
    let mut next = None;
    let is_done = CONSOLE.mark.attend(|| {
        let Some(mut shared) = CONSOLE.shared.attempt() else { return false };
        CONSOLE.mark.clear();
        next = Some(shared.send_piece(place, now));
        true
    });
    let retry = || Next::At(now.saturating_add(timer::microseconds(RETRY_US)));
    if is_done { next.unwrap_or_else(retry) } else { Next::Soon }
}

impl SharedState {
    /// Sends a piece, and returns when this CPU has to continue.
    fn send_piece(&mut self, place: &Place, now: u64) -> Next {
        let Self { lines: Some(lines), asked, .. } = self else { return Next::Never };
        let current = cpu::current();
        let own = current.partition().map(Source::partition);
        if let Some(own) = own {
            lines.set_open_to_all(own, false);
            *asked = asked.filter(|(source, _)| *source != own);
        }
        input::change_view(lines, now);
        if CONSOLE.has_news.swap(false, Ordering::AcqRel) {
            lines.note_all();
        }
        let has_line = lines.take_own_line(&CONSOLE.own_lines, &CONSOLE.log, now);
        if has_line {
            return Next::Soon;
        }
        let before = lines.turn();
        let mut budget = if own.is_some() { PIECE_BUDGET } else { FREE_PIECE_BUDGET };
        if lines.is_due(now) {
            lines.begin(now, &mut budget);
        }
        let serves = |source| place.sends_all || serves(place, current, source);
        // A CPU that sends its own partition's output only, or whose partition has the turn.
        let sends_own =
            !place.sends_all && !place.is_here() || own.is_some_and(|own| lines.is_turn_of(own));
        let stop = match sends_own {
            true => send_own(lines, now, &serves),
            false => send(lines, now, [budget, 0], &serves),
        };
        wake_writer(place, before);
        if lines.turn() != before {
            wake_writer(place, lines.turn());
        }
        match stop {
            Stop::Budget => Next::Soon,
            Stop::NoRoom => Next::Room,
            Stop::Turn(source) => self.ask(place, source, now),
            Stop::Nothing if CONSOLE.own_lines.is_ready() => Next::Soon,
            Stop::Nothing => match lines.deadline() {
                Some(due) if place.sends_all || has_output(place, current, lines) => Next::At(due),
                _ => Next::Never,
            },
        }
    }

    /// Asks a CPU that serves `source`, which has the turn, to send. If it was asked long ago and
    /// has not answered, lets all CPUs send for that source. Returns when this CPU has to continue.
    fn ask(&mut self, place: &Place, source: Source, now: u64) -> Next {
        let Self { lines: Some(lines), asked, .. } = self else { return Next::Never };
        let at = match *asked {
            Some((of, at)) if of == source => at,
            _ => {
                *asked = Some((source, now));
                place.summon(cpu_of(place, source));
                now
            }
        };
        let limit = at.saturating_add(timer::microseconds(PATIENCE_US));
        if !has_output(place, cpu::current(), lines) {
            return Next::Never;
        }
        if limit <= now {
            lines.set_open_to_all(source, true);
            return Next::Soon;
        }
        Next::At(limit)
    }
}

/// Sends a piece of the output of this CPU's own partition. A function of its own, by which the
/// measurement of stays in EL2 tells this from work for others.
#[inline(never)]
fn send_own(lines: &mut Console, now: u64, serves: &dyn Fn(Source) -> bool) -> Stop {
    send(lines, now, [OWN_PIECE_BUDGET, LAST_LOOK_BUDGET], serves)
}

/// Sends a piece of this size, with a last look.
#[inline(never)]
fn send(
    lines: &mut Console,
    now: u64,
    [budget, last_look]: [usize; 2],
    serves: &dyn Fn(Source) -> bool,
) -> Stop {
    let mut sender = Sender { uart: super::uart(), waits: false };
    lines.send_and_look(now, budget, last_look, &mut sender, serves)
}

/// Returns whether a CPU sends for a source. Any CPU sends Bulkhead's own lines, which are few.
fn serves(place: &Place, cpu: &Cpu, source: Source) -> bool {
    match source.partition_index() {
        Some(partition) => cpu.partition() == Some(partition),
        None => source == Source::BULKHEAD || cpu.index() == place.cpu.index(),
    }
}

/// Returns whether there is output that this CPU has to send.
fn has_output(place: &Place, cpu: &Cpu, lines: &Console) -> bool {
    let own = cpu.partition().map(Source::partition);
    let is_writer = CONSOLE.own_writer.load(Ordering::Relaxed) == cpu.index();
    own.is_some_and(|source| lines.has_output(source))
        || is_writer && lines.has_output(Source::BULKHEAD)
        || cpu.index() == place.cpu.index() && lines.has_monitor_output()
}

/// Returns the CPU that sends for a source.
fn cpu_of(place: &Place, source: Source) -> &'static Cpu {
    let port = source.partition_index().and_then(|partition| ports().get(partition));
    port.map_or(place.cpu, |port| port.seat().cpu)
}

/// Kicks the CPU of a source whose output waits for room in its buffer, if there is much now.
fn wake_writer(place: &Place, source: Source) {
    match source.partition_index().and_then(|partition| ports().get(partition)) {
        Some(port) if port.output_waits() && port.output().is_half_empty() => {
            port.seat().kick(place.gic);
        }
        _ => {}
    }
}

/// The UART as the console sends to it. Without a UART all output is discarded.
pub struct Sender {
    /// The UART.
    pub uart: Option<&'static MachineUart>,
    /// Whether it waits for room.
    pub waits: bool,
}

impl Sender {
    /// Returns for how many bytes the UART has room, as `room` does, after a wait if it may be awaited;
    /// 0 if a panic has taken the UART.
    #[inline(always)]
    fn room_by(&self, room: impl Fn() -> usize) -> usize {
        loop {
            let room = room();
            if room == 0 && self.waits {
                continue;
            }
            return if !self.waits && emergency::is_taken() { 0 } else { room };
        }
    }

    /// Returns the same of a UART that is not plain. A function of its own, so that for a plain one no
    /// registers are saved.
    #[cold]
    #[inline(never)]
    fn other_room(&self, uart: &MachineUart) -> usize {
        self.room_by(|| uart.room())
    }
}

impl Transmitter for Sender {
    // One copy for all callers.
    #[inline(never)]
    fn room(&mut self) -> usize {
        match self.uart {
            None => usize::MAX,
            Some(MachineUart::Plain(uart)) => self.room_by(|| uart.room()),
            Some(uart) => self.other_room(uart),
        }
    }

    #[inline(always)]
    fn put(&mut self, bytes: impl Iterator<Item = u8>) -> usize {
        match self.uart {
            Some(uart) => uart.send(bytes),
            None => bytes.count(),
        }
    }
}
