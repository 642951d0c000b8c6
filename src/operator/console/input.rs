//! Console input on its way to the partition or the monitor that has the input.
//!
//! Bytes that a guest has no room for wait in its input buffer, up to `AHEAD_BYTES`, and then in
//! the UART, whose receive interrupt is turned off: nothing is lost. But [`ESCAPE`] arrives by the
//! same UART, so a guest that never reads must not block it. If a guest reads nothing for a while
//! although everything is full, it is unresponsive: reading continues, and bytes for that guest are
//! dropped and counted.
//!
//! One CPU uses an [`Input`]. The CPUs of the guests take their bytes from the buffers.
//!
//! [`ESCAPE`]: super::keys::ESCAPE

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::buffer::Buffer;
use super::keys::{Key, Keys, find_name};
use super::source::Source;

/// The number of bytes that can wait in each partition's buffer.
pub(super) const AHEAD_BYTES: usize = 256;
/// A time that the counter never reaches.
const NEVER: u64 = u64::MAX;

/// What the UART shows, and which partition has its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The lines of all sources. The first partition has the input.
    Shared,
    /// The focused view of the monitor, which has the input.
    Monitor,
    /// The focused view of the partition with this index in the Plan, which has the input.
    Partition(usize),
}

impl View {
    /// Returns a number for it, from 1 on.
    pub fn number(self) -> u64 {
        match self {
            Self::Shared => 1,
            Self::Monitor => 2,
            Self::Partition(index) => 3_u64.wrapping_add(index as u64),
        }
    }

    /// Returns the view with this number; `None` for 0.
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Shared),
            2 => Some(Self::Monitor),
            _ => Some(Self::Partition(number as usize - 3)),
        }
    }

    /// Returns the focused source, if any.
    pub fn focus(self) -> Option<Source> {
        match self {
            Self::Shared => None,
            Self::Monitor => Some(Source::MONITOR),
            Self::Partition(index) => Some(Source::partition(index)),
        }
    }

    /// Returns the index of the partition that has the input, if any.
    pub fn reader(self) -> Option<usize> {
        match self {
            Self::Shared => Some(0),
            Self::Monitor => None,
            Self::Partition(index) => Some(index),
        }
    }
}

/// The effect of a typed byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// None that the caller must handle.
    Taken,
    /// The byte is input for the monitor.
    Monitor(u8),
    /// The person requests this view.
    Show(View),
    /// The person made an invalid choice, and must be shown the valid ones.
    Choices,
}

/// The input of one partition.
struct Typed {
    /// Bytes that the guest has not read. It is never freed.
    ahead: &'static Buffer,
    /// How many bytes the guest had read when this was last looked at.
    read: usize,
    /// When the guest was last seen to have read a byte, or when the last byte was added.
    moved: u64,
    /// Whether the guest has not read for too long while `ahead` was full.
    unresponsive: bool,
    /// How many bytes were dropped since the last report.
    dropped: usize,
    /// When the first of them was.
    dropped_since: u64,
}

/// The console's input that has not been read.
///
/// Times are values of a counter that only increases, such as CNTPCT_EL0.
pub struct Input {
    keys: Keys,
    view: View,
    typed: Vec<Typed>,
    /// The ticks after which a guest that does not read is unresponsive.
    patience: u64,
    /// When [`Input::tick`] must be called.
    due: u64,
}

impl Input {
    /// Creates the input for this many partitions, in the shared view. A guest is unresponsive if
    /// it reads nothing for `patience` ticks.
    #[inline(always)]
    pub fn new(partitions: usize, patience: u64) -> Self {
        let typed = (0..partitions).map(|_| Typed {
            ahead: Box::leak(Box::default()),
            read: 0,
            moved: 0,
            unresponsive: false,
            dropped: 0,
            dropped_since: 0,
        });
        let typed = typed.collect();
        Self { keys: Keys::default(), view: View::Shared, typed, patience, due: NEVER }
    }

    /// Returns the current view.
    pub const fn view(&self) -> View {
        self.view
    }

    /// Changes the view, and with it which partition has the input.
    pub fn show(&mut self, view: View) {
        self.view = view;
        self.find_due();
    }

    /// Returns whether the next byte can be taken: there is room, or bytes may be dropped.
    pub fn has_room(&self) -> bool {
        self.reader().is_none_or(|typed| !typed.is_full() || typed.unresponsive)
    }

    /// Takes a byte that was typed at the time `now`. The caller must check [`Input::has_room`]
    /// first. `names` are the partitions' names.
    pub fn read<'a>(&mut self, byte: u8, now: u64, names: impl Iterator<Item = &'a str>) -> Event {
        let partition = match self.keys.read(byte) {
            Key::Begun => return Event::Taken,
            Key::Input(byte) => return self.pass(byte, now),
            Key::Shared => return Event::Show(View::Shared),
            Key::Monitor => return Event::Show(View::Monitor),
            Key::Number(index) => Some(index).filter(|index| *index < self.typed.len()),
            Key::Letter(letter) => find_name(letter, self.focused(), names),
            Key::Unknown => None,
        };
        partition.map_or(Event::Choices, |index| Event::Show(View::Partition(index)))
    }

    /// Returns the buffer of a partition's input, from which its CPUs take.
    pub fn buffer(&self, partition: usize) -> &'static Buffer {
        self.typed[partition].ahead
    }

    /// Returns whether [`Input::tick`] must be called at the time `now`.
    pub const fn is_due(&self, now: u64) -> bool {
        self.due <= now
    }

    /// Returns when [`Input::tick`] must be called.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.due).filter(|due| *due != NEVER)
    }

    /// Checks at the time `now` whether the guest that has the input is unresponsive. If it is,
    /// [`Input::has_room`] returns true from then on.
    pub fn tick(&mut self, now: u64) {
        let patience = self.patience;
        if let Some(typed) = self.reader_mut() {
            typed.look(now);
            typed.unresponsive |= typed.is_full() && typed.moved.saturating_add(patience) <= now;
        }
        self.find_due();
    }

    /// Returns a partition and the number of bytes dropped for it, and resets that number, if the
    /// report is due at the time `now`. At `u64::MAX` every report is due.
    pub fn take_dropped(&mut self, now: u64) -> Option<(usize, usize)> {
        let patience = self.patience;
        let mut all = self.typed.iter_mut().enumerate();
        let (index, typed) =
            all.find(|(_, typed)| typed.report_at(patience) <= now && typed.dropped > 0)?;
        let count = core::mem::take(&mut typed.dropped);
        self.find_due();
        Some((index, count))
    }

    /// Passes a byte to the partition or the monitor that has the input.
    fn pass(&mut self, byte: u8, now: u64) -> Event {
        let Some(index) = self.view.reader() else { return Event::Monitor(byte) };
        let Some(typed) = self.typed.get_mut(index) else { return Event::Taken };
        typed.look(now);
        if !typed.is_full() && typed.ahead.push(byte, now).is_ok() {
            typed.moved = now;
            if !typed.is_full() {
                return Event::Taken;
            }
        } else {
            if typed.dropped == 0 {
                typed.dropped_since = now;
            }
            typed.dropped = typed.dropped.saturating_add(1);
        }
        self.find_due();
        Event::Taken
    }

    /// Returns the partition in the focused view.
    fn focused(&self) -> Option<usize> {
        match self.view {
            View::Partition(index) => Some(index),
            View::Shared | View::Monitor => None,
        }
    }

    /// Returns the input of the partition that has it.
    fn reader(&self) -> Option<&Typed> {
        self.typed.get(self.view.reader()?)
    }

    fn reader_mut(&mut self) -> Option<&mut Typed> {
        self.typed.get_mut(self.view.reader()?)
    }

    /// Computes when a guest becomes unresponsive or a report is due.
    fn find_due(&mut self) {
        let patience = self.patience;
        let limit = |typed: &Typed| match typed.is_full() && !typed.unresponsive {
            true => typed.moved.saturating_add(patience),
            false => NEVER,
        };
        let limit = self.reader().map_or(NEVER, limit);
        self.due = self.typed.iter().fold(limit, |due, typed| due.min(typed.report_at(patience)));
    }
}

impl Typed {
    /// Notes whether the guest has read since the last call.
    fn look(&mut self, now: u64) {
        let read = self.ahead.taken();
        if read != self.read {
            (self.read, self.moved, self.unresponsive) = (read, now, false);
        }
    }

    fn is_full(&self) -> bool {
        self.ahead.len() >= AHEAD_BYTES
    }

    /// Returns when the dropped bytes are reported.
    fn report_at(&self, patience: u64) -> u64 {
        if self.dropped == 0 { NEVER } else { self.dropped_since.saturating_add(patience) }
    }
}
