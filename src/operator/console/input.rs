//! What is typed, on its way to who has the input.
//!
//! What a guest has no room for waits, a part of it here and the rest in the UART, whose interrupt
//! goes off: nothing is lost. But a guest that never reads must not keep a person from [`ESCAPE`],
//! which comes in by the same UART. If it has not read for a while with everything full, it is deaf:
//! reading goes on, and what is for that guest is dropped, and counted.
//!
//! [`ESCAPE`]: super::keys::ESCAPE

use alloc::vec::Vec;

use super::Source;
use super::keys::{Key, Keys, find_name};
use crate::util::ring::{Full, Ring};

/// How much may wait here for each partition.
const AHEAD_BYTES: usize = 256;
/// The time that does not come.
const NEVER: u64 = u64::MAX;

/// Who is seen and heard at the UART.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// All are seen, by lines. The first partition has the input.
    Shared,
    /// The monitor has the focus and the input.
    Monitor,
    /// The partition with this index in the Plan has.
    Partition(usize),
}

impl View {
    /// The source that has the focus.
    pub fn focus(self) -> Option<Source> {
        match self {
            Self::Shared => None,
            Self::Monitor => Some(Source::MONITOR),
            Self::Partition(index) => Some(Source::partition(index)),
        }
    }

    /// The partition that has the input.
    pub fn reader(self) -> Option<usize> {
        match self {
            Self::Shared => Some(0),
            Self::Monitor => None,
            Self::Partition(index) => Some(index),
        }
    }
}

/// What a typed byte leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing that can be seen at once.
    Taken,
    /// It is the monitor's.
    Monitor(u8),
    /// This view was asked for.
    Show(View),
    /// Something was asked for that there is not.
    Choices,
}

/// What was typed for one partition.
struct Typed {
    ahead: Ring<AHEAD_BYTES>,
    /// When the guest last read something of it, or the last byte that there is room for came.
    moved: u64,
    /// It has not read for too long.
    deaf: bool,
    /// How many bytes were dropped that nobody was told of, and since when.
    dropped: usize,
    dropped_since: u64,
}

/// What was typed and nobody has read.
///
/// Times are values of a counter that only goes up, such as CNTPCT_EL0.
pub struct Input {
    keys: Keys,
    view: View,
    typed: Vec<Typed>,
    patience: u64,
    /// When [`Input::tick`] has something to do.
    due: u64,
}

impl Input {
    /// The input of so many partitions, in the shared view. A guest is deaf if it has not read
    /// anything for `patience` ticks.
    #[inline(always)]
    pub fn new(partitions: usize, patience: u64) -> Self {
        let typed = (0..partitions).map(|_| Typed {
            ahead: Ring::EMPTY,
            moved: 0,
            deaf: false,
            dropped: 0,
            dropped_since: 0,
        });
        let typed = typed.collect();
        Self { keys: Keys::default(), view: View::Shared, typed, patience, due: NEVER }
    }

    /// Who is seen and heard.
    pub const fn view(&self) -> View {
        self.view
    }

    /// Changes who has the input.
    pub fn show(&mut self, view: View) {
        self.view = view;
        self.find_due();
    }

    /// Whether the next byte can be taken without dropping one too early.
    pub fn has_room(&self) -> bool {
        self.reader().is_none_or(|typed| !typed.is_full() || typed.deaf)
    }

    /// Takes a byte that was typed at the time `now`, if [`Input::has_room`]; `names` are those of
    /// the partitions.
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

    /// Hands what waits for a partition to `sink`, until that is full or all is gone. Returns whether
    /// it took anything.
    pub fn deliver(
        &mut self,
        partition: usize,
        now: u64,
        mut sink: impl FnMut(u8) -> Result<(), Full>,
    ) -> bool {
        let Some(typed) = self.typed.get_mut(partition) else { return false };
        let mut moved = false;
        while let Some(byte) = typed.ahead.peek()
            && sink(byte).is_ok()
        {
            typed.ahead.pop();
            moved = true;
        }
        if moved {
            (typed.moved, typed.deaf) = (now, false);
            self.find_due();
        }
        moved
    }

    /// The partitions for which something waits: a bit for each of the first 32.
    pub fn waiting(&self) -> u32 {
        let bits = self.typed.iter().take(32).enumerate();
        bits.fold(0, |bits, (index, typed)| bits | u32::from(!typed.ahead.is_empty()) << index)
    }

    /// Whether [`Input::tick`] has something to do at the time `now`.
    pub const fn is_due(&self, now: u64) -> bool {
        self.due <= now
    }

    /// When it has.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.due).filter(|due| *due != NEVER)
    }

    /// Finds out at the time `now` whether a guest is deaf, after which [`Input::has_room`].
    pub fn tick(&mut self, now: u64) {
        let patience = self.patience;
        if let Some(typed) = self.reader_mut() {
            typed.deaf |= typed.is_full() && typed.moved.saturating_add(patience) <= now;
        }
        self.find_due();
    }

    /// A partition, and how many bytes were dropped of what was typed for it, some time ago. At
    /// `u64::MAX`, whenever it was.
    pub fn take_dropped(&mut self, now: u64) -> Option<(usize, usize)> {
        let patience = self.patience;
        let mut all = self.typed.iter_mut().enumerate();
        let (index, typed) =
            all.find(|(_, typed)| typed.told_at(patience) <= now && typed.dropped > 0)?;
        let count = core::mem::take(&mut typed.dropped);
        self.find_due();
        Some((index, count))
    }

    fn pass(&mut self, byte: u8, now: u64) -> Event {
        let Some(index) = self.view.reader() else { return Event::Monitor(byte) };
        let Some(typed) = self.typed.get_mut(index) else { return Event::Taken };
        if typed.ahead.push(byte).is_ok() {
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

    fn focused(&self) -> Option<usize> {
        match self.view {
            View::Partition(index) => Some(index),
            View::Shared | View::Monitor => None,
        }
    }

    fn reader(&self) -> Option<&Typed> {
        self.typed.get(self.view.reader()?)
    }

    fn reader_mut(&mut self) -> Option<&mut Typed> {
        self.typed.get_mut(self.view.reader()?)
    }

    fn find_due(&mut self) {
        let patience = self.patience;
        let hears = |typed: &Typed| match typed.is_full() && !typed.deaf {
            true => typed.moved.saturating_add(patience),
            false => NEVER,
        };
        let deaf = self.reader().map_or(NEVER, hears);
        self.due = self.typed.iter().fold(deaf, |due, typed| due.min(typed.told_at(patience)));
    }
}

impl Typed {
    fn is_full(&self) -> bool {
        self.ahead.len() == AHEAD_BYTES
    }

    /// When a person is told what was dropped.
    fn told_at(&self, patience: u64) -> u64 {
        if self.dropped == 0 { NEVER } else { self.dropped_since.saturating_add(patience) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    const PATIENCE: u64 = 1000;
    const NAMES: [&str; 3] = ["linux", "sensor", "log"];

    fn input() -> Input {
        Input::new(NAMES.len(), PATIENCE)
    }

    /// Types, and changes the view as asked for.
    fn type_bytes(input: &mut Input, bytes: &[u8], now: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let event = input.read(byte, now, NAMES.into_iter());
            if let Event::Show(view) = event {
                input.show(view);
            }
            events.extend(Some(event).filter(|event| *event != Event::Taken));
        }
        events
    }

    fn read(input: &mut Input, partition: usize, most: usize, now: u64) -> Vec<u8> {
        let mut read = Vec::new();
        input.deliver(partition, now, |byte| {
            if read.len() == most {
                return Err(Full);
            }
            read.push(byte);
            Ok(())
        });
        read
    }

    #[test]
    fn what_is_typed_goes_to_who_has_the_input() {
        let mut input = input();
        let events =
            type_bytes(&mut input, b"a\x1d2b\x1d\x1dc\x1d0d\x1dle\x1dlf\x1dx\x1d4\x1d?g", 0);
        assert_eq!(
            events,
            [
                Event::Show(View::Partition(1)),
                Event::Show(View::Monitor),
                Event::Monitor(b'c'),
                Event::Show(View::Shared),
                Event::Show(View::Partition(0)),
                Event::Show(View::Partition(2)),
                Event::Choices,
                Event::Choices,
                Event::Choices,
            ]
        );
        assert_eq!(input.waiting(), 0b111);
        assert_eq!(
            [0, 1, 2].map(|index| read(&mut input, index, 99, 0)),
            [b"ade".to_vec(), b"b".to_vec(), b"fg".to_vec()]
        );
        assert_eq!((input.waiting(), input.view()), (0, View::Partition(2)));
    }

    #[test]
    fn what_there_is_no_room_for_waits_outside() {
        let mut input = input();
        type_bytes(&mut input, &[b'x'; AHEAD_BYTES], 7);
        assert_eq!((input.has_room(), input.deadline()), (false, Some(7 + PATIENCE)));
        assert_eq!(read(&mut input, 0, 1, 500), b"x");
        assert_eq!((input.has_room(), input.deadline()), (true, None));
        type_bytes(&mut input, b"y", 600);
        input.tick(7 + PATIENCE);
        assert_eq!((input.has_room(), input.deadline()), (false, Some(600 + PATIENCE)));
        let all = read(&mut input, 0, 999, 700);
        assert_eq!((all.len(), all.last()), (AHEAD_BYTES, Some(&b'y')));
        assert_eq!(input.take_dropped(u64::MAX), None);
    }

    #[test]
    fn a_deaf_guest_keeps_nobody_from_a_choice() {
        let mut input = input();
        type_bytes(&mut input, &[b'x'; AHEAD_BYTES], 0);
        input.tick(PATIENCE - 1);
        assert!(!input.has_room());
        input.tick(PATIENCE);
        assert_eq!((input.has_room(), input.deadline()), (true, None));
        type_bytes(&mut input, b"lost", PATIENCE + 5);
        assert_eq!(input.deadline(), Some(2 * PATIENCE + 5));
        assert_eq!(input.take_dropped(2 * PATIENCE + 4), None);
        assert_eq!(input.take_dropped(2 * PATIENCE + 5), Some((0, 4)));
        assert_eq!((input.take_dropped(u64::MAX), input.deadline()), (None, None));
        let events = type_bytes(&mut input, b"\x1ds", 3 * PATIENCE);
        assert_eq!((events, input.has_room()), (vec![Event::Show(View::Partition(1))], true));
        type_bytes(&mut input, b"kept", 3 * PATIENCE);
        assert_eq!(read(&mut input, 1, 99, 3 * PATIENCE), b"kept");
        // It hears again once it reads.
        type_bytes(&mut input, b"\x1d1", 3 * PATIENCE);
        assert_eq!(read(&mut input, 0, 2, 3 * PATIENCE), b"xx");
        type_bytes(&mut input, b"yz", 3 * PATIENCE);
        assert_eq!((input.has_room(), input.deadline()), (false, Some(4 * PATIENCE)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_that_is_not_counted(
            steps in prop::collection::vec((0..4_u8, 0..400_usize, 0..2 * PATIENCE), 0..100),
        ) {
            let mut input = input();
            let (mut typed, mut got, mut dropped) = ([0; 3], [0; 3], [0; 3]);
            let mut now = 0;
            for (action, count, time) in steps {
                match action {
                    0 => now += time,
                    1 => got[count % 3] += read(&mut input, count % 3, count, now).len(),
                    2 => {
                        type_bytes(&mut input, &[0x1d, b'1' + (count % 3) as u8], now);
                    }
                    _ => for _ in 0..count {
                        if input.is_due(now) {
                            input.tick(now);
                        }
                        if !input.has_room() {
                            break;
                        }
                        typed[input.view().reader().unwrap()] += 1;
                        type_bytes(&mut input, b"x", now);
                    }
                }
                if let Some((index, count)) = input.take_dropped(now) {
                    dropped[index] += count;
                }
                // Time alone makes room.
                if !input.has_room() {
                    prop_assert!(input.deadline().is_some_and(|at| at <= now + PATIENCE));
                }
            }
            while let Some((index, count)) = input.take_dropped(u64::MAX) {
                dropped[index] += count;
            }
            for index in 0..3 {
                got[index] += read(&mut input, index, usize::MAX, now).len();
                prop_assert_eq!(typed[index], got[index] + dropped[index]);
            }
        }
    }
}
