//! Bulkhead's own lines, on their way from any CPU to the console.

use crate::util::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::util::format::Sink;

/// The number of lines that can wait. A power of two: positions wrap. Loom needs a small one.
const LINES: usize = if cfg!(all(test, loom)) { 2 } else { 128 };
/// The number of words of a line's text.
const WORDS: usize = if cfg!(all(test, loom)) { 1 } else { 20 };
/// The longest line in bytes, with its LF. The rest of a longer one is cut off.
const LINE_BYTES: usize = WORDS * 8;
/// How often a CPU tries to reserve a place. Each failure is another CPU's success.
const TRIES: usize = 64;

/// A queue of lines that every CPU can add to without waiting for another one, and that the holder
/// of the console's lock takes from.
///
/// A line has a position, which counts all lines before it, and a place in the queue: position
/// modulo the number of places. A CPU reserves both by advancing `reserved`. The turn of a place is
/// the position of its line, rounded down to a multiple of the number of places, while it is free
/// for that line, and one more once the line is complete.
pub struct OwnLines {
    places: [Place; LINES],
    /// How many places were ever reserved. Wraps.
    reserved: AtomicUsize,
    /// How many lines were ever taken. Wraps. Only the console writes it.
    taken: AtomicUsize,
    /// The number of lines for which there was no room, and that were not reported.
    lost: AtomicU32,
}

/// The place of a line.
struct Place {
    turn: AtomicUsize,
    len: AtomicUsize,
    /// The fields of [`After`], or [`NOTHING`].
    partition: AtomicUsize,
    position: AtomicUsize,
    text: [AtomicU64; WORDS],
}

/// The output that must come before a line: the first `position` bytes that a partition ever wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct After {
    /// The index of the partition in the Plan.
    pub partition: usize,
    /// A value of [`Buffer::position`](super::Buffer::position).
    pub position: usize,
}

/// In place of a partition's index: nothing must come before the line.
const NOTHING: usize = usize::MAX;

/// A line of text while it is formatted.
pub struct OwnLine {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl OwnLine {
    /// An empty line.
    pub const EMPTY: Self = Self { bytes: [0; LINE_BYTES], len: 0 };

    /// Returns the text, which ends with LF.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Ends the line.
    pub fn end(&mut self) {
        self.len = self.len.min(LINE_BYTES - 1);
        self.bytes[self.len] = b'\n';
        self.len += 1;
    }
}

impl Sink for OwnLine {
    // One copy for all callers.
    #[inline(never)]
    fn put(&mut self, text: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let len = room.len().min(text.len());
        room[..len].copy_from_slice(&text[..len]);
        self.len = self.len.wrapping_add(len);
    }
}

impl Default for OwnLines {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnLines {
    /// Creates an empty queue. All of it is zero, so that it takes no space in the image.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        let [reserved, taken] = [const { AtomicUsize::new(0) }; 2];
        Self { places: [const { Place::new() }; LINES], reserved, taken, lost: AtomicU32::new(0) }
    }

    /// Adds a line that was ended, unless there is no room: then it is lost, which is counted.
    pub fn push(&self, line: &OwnLine, after: Option<After>) {
        let Some((place, turn)) = self.reserve() else {
            return self.add_lost(1);
        };
        for (to, from) in place.text.iter().zip(line.bytes.as_chunks().0) {
            to.store(u64::from_le_bytes(*from), Ordering::Relaxed);
        }
        let After { partition, position } =
            after.unwrap_or(After { partition: NOTHING, position: 0 });
        place.len.store(line.len, Ordering::Relaxed);
        place.partition.store(partition, Ordering::Relaxed);
        place.position.store(position, Ordering::Relaxed);
        // Release: the console reads the complete line.
        place.turn.store(turn.wrapping_add(1), Ordering::Release);
    }

    /// Reserves the next place, and returns it with its turn; `None` if all are in use.
    fn reserve(&self) -> Option<(&Place, usize)> {
        for _ in 0..TRIES {
            let position = self.reserved.load(Ordering::Relaxed);
            let (place, free) = self.place(position);
            // Acquire: the console has read the line that this one overwrites.
            let turn = place.turn.load(Ordering::Acquire);
            if turn == free {
                let next = position.wrapping_add(1);
                let (reserved, order) = (&self.reserved, Ordering::Relaxed);
                if reserved.compare_exchange(position, next, order, order).is_ok() {
                    return Some((place, free));
                }
            } else if (turn.wrapping_sub(free) as isize) < 0 {
                return None;
            }
        }
        None
    }

    /// Returns the place of the line with this position, and the turn at which it is free for it.
    fn place(&self, position: usize) -> (&Place, usize) {
        (&self.places[position % LINES], position & !(LINES - 1))
    }

    /// Returns whether the oldest line is complete.
    pub fn is_ready(&self) -> bool {
        let (place, free) = self.place(self.taken.load(Ordering::Relaxed));
        // Acquire: the writer has completed the line.
        place.turn.load(Ordering::Acquire) == free.wrapping_add(1)
    }

    /// Returns the output that must come before the oldest line, which must be complete
    /// ([`OwnLines::is_ready`]).
    pub fn after(&self) -> Option<After> {
        let (place, _) = self.place(self.taken.load(Ordering::Relaxed));
        let partition = place.partition.load(Ordering::Relaxed);
        let position = place.position.load(Ordering::Relaxed);
        (partition != NOTHING).then_some(After { partition, position })
    }

    /// Copies the oldest line, which must be complete, to `line`. The caller must exclude other
    /// readers, and removes the line by [`OwnLines::pop`].
    pub fn peek(&self, line: &mut OwnLine) {
        let (place, _) = self.place(self.taken.load(Ordering::Relaxed));
        line.len = place.len.load(Ordering::Relaxed);
        for (to, from) in line.bytes.as_chunks_mut().0.iter_mut().zip(&place.text) {
            *to = from.load(Ordering::Relaxed).to_le_bytes();
        }
    }

    /// Removes the line that [`OwnLines::peek`] has copied.
    pub fn pop(&self) {
        let taken = self.taken.load(Ordering::Relaxed);
        let (place, free) = self.place(taken);
        self.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
        // Release: the line was read before it is overwritten.
        place.turn.store(free.wrapping_add(LINES), Ordering::Release);
    }

    /// Counts lines that are lost, or whose number could not be reported.
    pub fn add_lost(&self, lines: u32) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }

    /// Returns the number of lines that were lost since the last call.
    pub fn take_lost(&self) -> u32 {
        // A load is cheaper where there are none, which is the rule.
        if self.lost.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.lost.swap(0, Ordering::Relaxed)
    }
}

impl Place {
    #[cfg(not(all(test, loom)))]
    const fn new() -> Self {
        let [turn, len, partition, position] = [const { AtomicUsize::new(0) }; 4];
        Self { turn, len, partition, position, text: [const { AtomicU64::new(0) }; WORDS] }
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::format::format;
    use std::string::String;
    use std::thread;
    use std::vec::Vec;

    fn line(text: &str) -> OwnLine {
        let mut line = OwnLine::EMPTY;
        format(format_args!("{text}"), &mut line);
        line.end();
        line
    }

    fn take(lines: &OwnLines) -> Option<String> {
        if !lines.is_ready() {
            return None;
        }
        let mut line = OwnLine::EMPTY;
        lines.peek(&mut line);
        lines.pop();
        Some(String::from_utf8(line.text().to_vec()).unwrap())
    }

    #[test]
    fn lines_come_out_in_order_and_those_without_room_are_counted() {
        let lines = OwnLines::new();
        for round in 0..3 {
            for number in 0..LINES + round {
                lines.push(&line(&std::format!("{round} {number}")), None);
            }
            for number in 0..LINES {
                assert_eq!(take(&lines), Some(std::format!("{round} {number}\n")));
            }
            assert_eq!(
                (take(&lines), lines.take_lost(), lines.take_lost()),
                (None, round as u32, 0)
            );
        }
    }

    #[test]
    fn a_line_keeps_what_comes_before_it_and_is_cut_off_if_it_is_too_long() {
        let lines = OwnLines::new();
        let after = Some(After { partition: 3, position: 17 });
        lines.push(&line(&"x".repeat(500)), after);
        let (mut line, found) = (OwnLine::EMPTY, lines.after());
        lines.peek(&mut line);
        let text = line.text();
        assert_eq!((text.len(), text[LINE_BYTES - 2], found), (LINE_BYTES, b'x', after));
        assert_eq!(text[LINE_BYTES - 1], b'\n');
    }

    #[test]
    fn no_line_of_several_cpus_is_torn_or_lost_uncounted() {
        const EACH: usize = if cfg!(miri) { 20 } else { 20_000 };
        let lines = OwnLines::new();
        let mut counts = [0; 3];
        let mut lost = 0;
        thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let lines = &lines;
                    scope.spawn(move || {
                        let text = std::format!("{writer}").repeat(10 + writer * 50);
                        (0..EACH).for_each(|_| lines.push(&line(&text), None));
                    })
                })
                .collect();
            loop {
                let is_last = writers.iter().all(|writer| writer.is_finished());
                while let Some(text) = take(&lines) {
                    let writer = usize::from(text.as_bytes()[0] - b'0');
                    assert_eq!(text, std::format!("{writer}").repeat(10 + writer * 50) + "\n");
                    counts[writer] += 1;
                }
                lost += lines.take_lost() as usize;
                if is_last {
                    break;
                }
            }
        });
        assert_eq!(counts.iter().sum::<usize>() + lost, 3 * EACH);
    }
}

/// Models of CPUs that add lines while the console takes them, at small sizes.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use loom::sync::Arc;

    impl OwnLines {
        /// Creates an empty queue.
        pub fn new() -> Self {
            let place = |_| Place {
                turn: AtomicUsize::new(0),
                len: AtomicUsize::new(0),
                partition: AtomicUsize::new(0),
                position: AtomicUsize::new(0),
                text: core::array::from_fn(|_| AtomicU64::new(0)),
            };
            Self {
                places: core::array::from_fn(place),
                reserved: AtomicUsize::new(0),
                taken: AtomicUsize::new(0),
                lost: AtomicU32::new(0),
            }
        }
    }

    fn line(letter: u8) -> OwnLine {
        let mut line = OwnLine::EMPTY;
        line.put(&[letter; 3]);
        line.end();
        line
    }

    #[test]
    fn loom_own_lines_of_two_cpus_are_whole_and_none_is_lost_uncounted() {
        loom::model(|| {
            let lines = Arc::new(OwnLines::new());
            let writers = [b'a', b'b'].map(|letter| {
                let lines = lines.clone();
                loom::thread::spawn(move || lines.push(&line(letter), None))
            });
            let mut taken = 0;
            let take = |taken: &mut u32| {
                while lines.is_ready() {
                    let mut line = OwnLine::EMPTY;
                    lines.peek(&mut line);
                    let text = line.text();
                    assert!(text == b"aaa\n" || text == b"bbb\n", "{text:?}");
                    lines.pop();
                    *taken += 1;
                }
            };
            // Before the writers have ended: waiting for their end would order what they stored.
            while taken == 0 {
                take(&mut taken);
                loom::thread::yield_now();
            }
            for writer in writers {
                writer.join().unwrap();
            }
            take(&mut taken);
            assert_eq!(taken + lines.take_lost(), 2);
        });
    }
}
