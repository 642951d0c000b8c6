//! What is typed at the UART: for the guests, or to choose what is seen of them.

use bulkhead::operator::console::input::{Event, View};
use bulkhead::util::format::format;
use bulkhead::vgic::CpuMask;
use core::sync::atomic::{AtomicU32, Ordering};

use super::{CPU, Shared, UART, pump, shared};
use crate::el2::cpu::{self, timer};
use crate::el2::monitor;
use crate::el2::partition::{self, Partition};

/// How much is read at once. The interrupt stays raised for the rest.
const BYTES_AT_ONCE: usize = 128;

/// What is said of who has the focus.
const ALONE: &str = " has the console; Ctrl-] 0 shows all\n";

/// A bit for each partition for which input waits, for those who do not have the lock.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// The UART's interrupt: there is room for output, or somebody typed.
pub fn interrupt() {
    read();
    partition::all().iter().filter(|it| input_waits(it)).for_each(poll_input);
    pump();
    run_monitor();
}

/// Somebody rang, on this CPU: there may be room for what the monitor has to show.
pub fn answer_doorbell() {
    if monitor::waits() && cpu::current().index() == CPU.load(Ordering::Relaxed) {
        run_monitor();
    }
}

/// Has the monitor do what was typed, and moves what it answers.
fn run_monitor() {
    while monitor::run() {
        pump();
    }
}

/// Takes what was typed from the UART, as far as there is room for it. The rest stays there, with
/// the interrupt off, until a guest has read something.
fn read() {
    for _ in 0..BYTES_AT_ONCE {
        let mut shared = shared();
        let Some(event) = shared.next_event() else { break };
        match event {
            Event::Choices => shared.tell_choices(),
            Event::Show(view) => shared.show(view),
            Event::Taken | Event::Monitor(_) => {}
        }
        // The monitor has a lock of its own, which comes before this one.
        drop(shared);
        match event {
            Event::Show(View::Monitor) => monitor::open(),
            Event::Monitor(byte) => monitor::input(byte),
            _ => {}
        }
    }
    shared().note_waiting();
}

/// Gives a partition the console, once what the monitor has said so far is printed.
pub fn attach(partition: usize) {
    pump();
    shared().show(View::Partition(partition));
}

/// Hands what was typed for a partition to its UART, as far as that has room.
pub fn poll_input(partition: &Partition) {
    let mut state = partition.state.lock();
    let mut shared = shared();
    let Some(input) = &mut shared.input else { return };
    let arrived = input.deliver(partition.index, timer::now(), |byte| state.uart.receive(byte));
    shared.note_waiting();
    drop(shared);
    drop(state);
    if arrived {
        partition.kick(CpuMask::one(0));
    }
}

/// Whether input waits for room in the partition's UART.
#[inline(always)]
pub fn input_waits(partition: &Partition) -> bool {
    WAITING.load(Ordering::Acquire).wrapping_shr(partition.index as u32) & 1 != 0
}

impl Shared {
    /// What the next byte in the UART leads to, if there is one and it can be taken.
    fn next_event(&mut self) -> Option<Event> {
        let input = self.input.as_mut().filter(|input| input.has_room())?;
        let byte = UART.get()?.receive()?;
        Some(input.read(byte, timer::now(), partition::all().iter().map(Partition::name)))
    }

    fn note_waiting(&mut self) {
        if let Some(input) = &self.input {
            WAITING.store(input.waiting(), Ordering::Release);
        }
        self.choose_interrupts();
    }

    /// Goes on reading where a guest is deaf, and tells what was dropped.
    pub fn tick_input(&mut self, now: u64) {
        if let Some(input) = &mut self.input
            && input.is_due(now)
        {
            input.tick(now);
            self.tell_dropped(now);
            self.choose_interrupts();
        }
    }

    fn tell_dropped(&mut self, until: u64) {
        while let Some((index, count)) = self.input.as_mut().and_then(|it| it.take_dropped(until)) {
            let partition = &partition::all()[index];
            let text =
                format_args!("{partition} does not read: {count} bytes typed for it are dropped\n");
            format(text, self);
        }
    }

    /// Changes who is seen and has the input, and says so.
    fn show(&mut self, view: View) {
        self.tell_dropped(u64::MAX);
        let name = |index: usize| partition::all().get(index).map_or("nobody", Partition::name);
        let (name, rest) = match view {
            View::Shared => {
                self.log(b"all partitions are shown, ");
                (name(0), " has the input\n")
            }
            View::Monitor => ("the monitor", ALONE),
            View::Partition(index) => (name(index), ALONE),
        };
        self.log(name.as_bytes());
        self.log(rest.as_bytes());
        if let (Some(input), Some(console)) = (&mut self.input, &mut self.console) {
            input.show(view);
            console.focus(view.focus(), timer::now());
        }
    }

    /// What may come after Ctrl-].
    fn tell_choices(&mut self) {
        self.log(b"after Ctrl-]: 0 all");
        for (digit, partition) in (b'1'..).zip(partition::all()) {
            self.log(b", ");
            if digit <= b'9' {
                self.log(&[digit, b' ']);
            }
            self.log(partition.name().as_bytes());
        }
        self.log(b", a first letter, Ctrl-] the monitor, ] Ctrl-] itself\n");
    }
}
